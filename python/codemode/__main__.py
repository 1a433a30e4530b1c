import sys

from codemode._cli import main

if __name__ == "__main__":
    sys.exit(main())
