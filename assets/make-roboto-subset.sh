#!/usr/bin/env bash
# Makes assets/Roboto-subset.ttf, the letters of charts in PNG, from Debian's package fonts-roboto-unhinted:
# Latin, Greek, superscripts, and the signs of mathematics that labels use. Roboto has no arrow, so one is drawn.
# Needs apt-get, python3 and `pip install fonttools`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download fonts-roboto-unhinted && dpkg -x ./*.deb .)
pyftsubset "$work/usr/share/fonts/truetype/roboto/unhinted/RobotoTTF/Roboto-Regular.ttf" \
    --output-file="$work/subset.ttf" --no-hinting --layout-features=kern --name-IDs=0,1,2,3,4,5,6,13,14 \
    --drop-tables+=DSIG,hdmx,LTSH,VDMX,gasp \
    --unicodes='U+20-7E,U+A0-17F,U+391-3A9,U+3B1-3C9,U+1D40,U+2010-2016,U+2018-201E,U+2022,U+2026,U+2030,U+2070,U+2074-208E,U+2202,U+2206,U+220F,U+2211,U+2212,U+221A,U+221E,U+222B,U+2248,U+2260,U+2264,U+2265'
python3 - "$work/subset.ttf" Roboto-subset.ttf <<'PY'
import sys
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

font = TTFont(sys.argv[1])
pen = TTGlyphPen(None)
# A shaft and a head, in units of 1/2048 em, at the height of the minus sign.
outline = [(120, 640), (1480, 640), (1130, 290), (1240, 180), (1800, 720), (1240, 1260), (1130, 1150), (1480, 800), (120, 800)]
pen.moveTo(outline[0])
for point in reversed(outline[1:]):
    pen.lineTo(point)
pen.closePath()
font.setGlyphOrder(font.getGlyphOrder() + ["arrowright"])
font["glyf"]["arrowright"] = pen.glyph()
font["hmtx"]["arrowright"] = (1920, 120)
for table in font["cmap"].tables:
    if table.isUnicode():
        table.cmap[0x2192] = "arrowright"
font.save(sys.argv[2])
PY
