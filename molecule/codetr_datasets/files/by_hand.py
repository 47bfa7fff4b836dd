"""Fetch zips and unpack them into a folder. Usage: by_hand.py "URL ..." FOLDER"""

import io
import sys
import urllib.request
import zipfile

for url in sys.argv[1].split():
    with urllib.request.urlopen(url) as answer:
        zipfile.ZipFile(io.BytesIO(answer.read())).extractall(sys.argv[2])
