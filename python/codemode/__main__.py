import sys

from codemode._cli import main

sys.exit(main())
