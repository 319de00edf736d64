"""The chart, installed by the real Helm on a real cluster of two machines, and what befalls it there."""
