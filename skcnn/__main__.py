"""``python -m skcnn``, the same as the script ``skcnn``."""

import sys

from skcnn._command_line.main import main

if __name__ == "__main__":
    sys.exit(main(program="python -m skcnn"))
