"""usage: answers.py URL

Exits 0 when URL answers with 200 within a second; waits a little before it says no.
"""

import sys
import time
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=1) as response:
        sys.exit(0 if response.status == 200 else 1)
except (urllib.error.URLError, OSError):
    time.sleep(0.2)
    sys.exit(1)
