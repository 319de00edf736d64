"""From an unfinished job to the agent that is to run it: who is connected, what is sent, who was heard of when."""
