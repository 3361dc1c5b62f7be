"""Cuts the empty border off a screenshot and stores it with a palette: shrink.py FULL.png PICTURE.png"""

import pathlib
import sys

from PIL import Image, ImageChops

LARGEST = 150_000
full, picture = sys.argv[1:]
image = Image.open(full).convert("RGB")
# The colour of the last corner is that of the page.
blank = Image.new("RGB", image.size, image.getpixel((image.width - 1, image.height - 1)))
left, top, right, bottom = ImageChops.difference(image, blank).getbbox()
# The same on all sides, and none where the picture begins at once.
border = min(24, left, top)
box = (max(left - border, 0), max(top - border, 0), min(right + border, image.width), min(bottom + border, image.height))
image.crop(box).quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(picture, optimize=True)
size = pathlib.Path(picture).stat().st_size
print(f"{picture}: {size} bytes, {box[2] - box[0]} by {box[3] - box[1]}")
if size > LARGEST:
    sys.exit(f"{picture} is larger than {LARGEST} bytes")
