"""Writes docs/api.md to standard output: `make api-docs`."""

import sys

from deplite_apiserver.app import reference
from deplite_apiserver.reference.markdown import markdown

if __name__ == "__main__":
    sys.stdout.write(markdown(reference()))
