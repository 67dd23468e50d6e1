"""Fixtures of `emberline-image`: small files of every form, and the pixels Pillow reads from them.

    python tools/goldens/image.py

`cases.json` lists which file is decoded or resized to what; `expected.bin` holds the expected pixels, `[H, W, C]`, of
every case from its `offset` on. What Pillow cannot write (interlaced and 16-bit PNG, 16-bit TIFF, headers of decompression bombs) is put together by hand from the
specifications. Area averages are computed here with fractions, for Pillow's BOX filter is not exact.
"""

import io
import json
import struct
import zlib
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 27, 19
OUT = Path(__file__).parents[2] / "crates/emberline-image/tests/fixtures"
decode_cases, resize_cases, pixels = [], [], bytearray()


def picture(width=WIDTH, height=HEIGHT, seed=0):
    """Gradients, an edge and some noise: colours that differ at every corner, so that no orientation looks alike."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height - 2)], axis=-1)
    rgb[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 30)
    noise = np.random.default_rng(seed).integers(-12, 13, rgb.shape)
    return Image.fromarray(np.clip(rgb + noise, 0, 255).astype(np.uint8))


def with_alpha(image):
    alpha = np.linspace(0, 255, image.width * image.height).astype(np.uint8).reshape(image.height, image.width)
    image = image.copy()
    image.putalpha(Image.fromarray(alpha))
    return image


RGB, RGBA = picture(), with_alpha(picture())
GRAY = RGB.convert("L")
SMOOTH = RGB.resize((8, 6)).resize((WIDTH, HEIGHT), Image.BICUBIC)  # what lossy formats keep well


def case(name, data, mode, tolerance="exact", expected=None):
    """A file, the mode it decodes to, and its pixels: Pillow's, unless given."""
    (OUT / name).write_bytes(data)
    if expected is None:
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        expected = expected.convert(mode)
    decode_cases.append({"file": name, "tolerance": tolerance, **stored(expected)})


def stored(image):
    """Keeps pixels in `expected.bin`, once for all cases that share them."""
    offset = pixels.find(image.tobytes())
    if offset < 0:
        offset = len(pixels)
        pixels.extend(image.tobytes())
    return {"width": image.width, "height": image.height, "mode": image.mode, "offset": offset}


def saved(image, file_format, **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def jpegs():
    for name, options in {
        "baseline_444": {"subsampling": 0},
        "baseline_422": {"subsampling": 1},
        "baseline_420": {"subsampling": 2},
        "progressive": {"progressive": True},
        "restarts": {"restart_marker_blocks": 1},
        "keep_rgb": {"keep_rgb": True},
    }.items():
        case(f"{name}.jpg", saved(SMOOTH, "JPEG", quality=92, **options), "RGB", "lossy")
    case("gray.jpg", saved(SMOOTH.convert("L"), "JPEG", quality=92), "L", "lossy")
    cmyk = saved(SMOOTH.convert("CMYK"), "JPEG", quality=95)
    case("cmyk.jpg", cmyk, "RGB", "lossy")
    # The last byte of Adobe's segment says what the four components are: 0 is CMYK, 2 is YCCK.
    transform = cmyk.index(b"Adobe") + 11
    case("ycck.jpg", cmyk[:transform] + b"\2" + cmyk[transform + 1 :], "RGB", "lossy")
    for orientation in range(1, 9):
        data = saved(SMOOTH, "JPEG", quality=92, subsampling=0, exif=exif(orientation))
        case(f"orientation_{orientation}.jpg", data, "RGB", "lossy")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size, depth, colour, passes, interlaced=0, extra=b""):
    """A PNG file from rows of packed samples; each pass of an interlaced one is a list of rows."""
    rows = b"".join(b"\0" + row for one_pass in passes for row in one_pass)
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + pixels + chunk(b"IEND", b"")


def adam7(array):
    """The seven passes of an interlaced PNG, without the empty ones."""
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    passes = (array[y::down, x::right] for y, x, down, right in steps)
    return [[row.tobytes() for row in one_pass] for one_pass in passes if one_pass.size]


def pngs():
    case("rgb.png", saved(RGB, "PNG"), "RGB")
    case("rgba.png", saved(RGBA, "PNG"), "RGBA")
    case("gray.png", saved(GRAY, "PNG"), "L")
    case("gray_alpha.png", saved(RGBA.convert("LA"), "PNG"), "RGBA")
    case("bilevel.png", saved(GRAY.convert("1"), "PNG"), "L")
    for colours in (2, 4, 16, 256):
        palette = RGB.quantize(colours)
        case(f"palette_{colours}.png", saved(palette, "PNG", bits=(colours - 1).bit_length()), "RGB")
    case("palette_transparent.png", saved(RGB.quantize(16), "PNG", transparency=3), "RGBA")
    case("gray_transparent.png", saved(GRAY, "PNG", transparency=GRAY.getpixel((5, 5))), "RGBA")
    case("rgb_transparent.png", saved(RGB, "PNG", transparency=RGB.getpixel((5, 5))), "RGBA")
    case("interlaced.png", png(RGB.size, 8, 2, adam7(np.asarray(RGB)), interlaced=1), "RGB")
    high = np.asarray(RGBA).astype(">u2") * 256 + 201
    for name, colour, mode, samples in [
        ("gray_16.png", 0, "L", high[..., 0]),
        ("rgb_16.png", 2, "RGB", high[..., :3]),
        ("gray_alpha_16.png", 4, "LA", high[..., [0, 3]]),
        ("rgba_16.png", 6, "RGBA", high),
    ]:
        expected = Image.fromarray(np.ascontiguousarray(samples // 256).astype(np.uint8), mode)
        expected = expected.convert("RGBA") if mode == "LA" else expected
        data = png(RGB.size, 16, colour, [[row.tobytes() for row in samples.astype(">u2")]])
        case(name, data, expected.mode, expected=expected)
    case("orientation_6.png", saved(RGB, "PNG", exif=exif(6)), "RGB")
    case("animated.png", saved(RGB, "PNG", save_all=True, append_images=[GRAY.convert("RGB")] * 3), "RGB")


def webps():
    case("lossless.webp", saved(RGB, "WEBP", lossless=True), "RGB")
    case("lossless_alpha.webp", saved(RGBA, "WEBP", lossless=True, exact=True), "RGBA")
    case("lossy.webp", saved(SMOOTH, "WEBP", quality=90), "RGB", "lossy")
    case("lossy_alpha.webp", saved(with_alpha(SMOOTH), "WEBP", quality=90), "RGBA", "lossy")
    case("orientation_8.webp", saved(RGB, "WEBP", lossless=True, exif=exif(8)), "RGB")
    frames = [ImageOps.mirror(RGB), ImageOps.flip(RGB)]
    case("animated.webp", saved(RGB, "WEBP", lossless=True, save_all=True, append_images=frames), "RGBA")


def gifs():
    palette = RGB.quantize(64)
    case("opaque.gif", saved(palette, "GIF"), "RGB")
    case("not_interlaced.gif", saved(palette, "GIF", interlace=0), "RGB")
    case("transparent.gif", saved(palette, "GIF", transparency=palette.getpixel((5, 5))), "RGBA")
    frames = [ImageOps.mirror(palette), ImageOps.flip(palette)]
    case("animated.gif", saved(palette, "GIF", save_all=True, append_images=frames), "RGB")


def bmps():
    case("rgb.bmp", saved(RGB, "BMP"), "RGB")
    case("palette.bmp", saved(RGB.quantize(32), "BMP"), "RGB")
    case("bilevel.bmp", saved(GRAY.convert("1"), "BMP"), "RGB")
    case("rgbx.bmp", saved(RGBA, "BMP"), "RGB")


def tiff(array, colour, order):
    """An uncompressed TIFF of one strip, in either byte order; `array` is `[H, W, C]` of 8 or 16 bits."""
    height, width, channels = array.shape
    bits, data = array.itemsize * 8, array.astype(array.dtype.newbyteorder(order)).tobytes()
    end = 8 + len(data)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, end if channels > 2 else bits)]
    tags += [(259, 3, 1, 1), (262, 3, 1, colour), (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, height)]
    tags += [(279, 4, 1, len(data))] + ([(338, 3, 1, 2)] if channels == 4 else [])
    entries = b""
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        entries += struct.pack(order + "HHI", tag, kind, count)
        entries += struct.pack(order + ("HH" if short else "I"), *([value, 0] if short else [value]))
    bits_table = struct.pack(order + f"{channels}H", *[bits] * channels)
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, end + len(bits_table))
    return header + data + bits_table + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0"


def tiffs():
    case("rgb.tiff", saved(RGB, "TIFF"), "RGB")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        case(f"{compression}.tiff", saved(RGB, "TIFF", compression=compression), "RGB")
    case("rgba.tiff", saved(RGBA, "TIFF"), "RGBA")
    case("gray.tiff", saved(GRAY, "TIFF"), "L")
    case("bilevel.tiff", saved(GRAY.convert("1"), "TIFF"), "L")
    (OUT / "palette.tiff").write_bytes(saved(RGB.quantize(32), "TIFF"))
    case("cmyk.tiff", saved(RGB.convert("CMYK"), "TIFF"), "RGB", "cmyk")
    high = np.asarray(RGB).astype(np.uint16) * 256 + 201
    case("rgb_16_big_endian.tiff", tiff(high, 2, ">"), "RGB", expected=RGB)
    red = Image.fromarray(np.ascontiguousarray(np.asarray(RGB)[..., 0]))
    case("gray_16.tiff", tiff(high[..., :1], 1, "<"), "L", expected=red)
    case("orientation_5.tiff", saved(RGB, "TIFF", tiffinfo={274: 5}), "RGB")
    case("pages.tiff", saved(RGB, "TIFF", save_all=True, append_images=[GRAY]), "RGB")


def bombs():
    """Headers that declare 50,000 x 50,000 pixels over next to no data."""
    side = 50_000
    jpeg = bytearray(saved(GRAY, "JPEG"))
    frame = jpeg.index(b"\xff\xc0") + 5
    jpeg[frame : frame + 4] = struct.pack(">HH", side, side)
    bmp = bytearray(saved(RGB, "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    tif = bytearray(tiff(np.asarray(RGB), 2, "<"))
    for tag in (256, 257, 278):
        entry = tif.rindex(struct.pack("<HHI", tag, 3, 1))
        tif[entry + 8 : entry + 10] = struct.pack("<H", side)
    gif = bytearray(saved(GRAY, "GIF"))
    gif[6:10] = struct.pack("<HH", side, side)
    # A VP8X header holds sides of 24 bits, less one, after the length, the flags and 3 reserved bytes.
    size = struct.pack("<I", side - 1)[:3] * 2
    still = saved(RGB, "WEBP", lossless=True)[12:]
    webp = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + still
    webp = b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp
    files = {"png": png((side, side), 8, 2, [[b"\0" * 64]]), "jpg": jpeg, "bmp": bmp, "tiff": tif}
    for extension, data in {**files, "gif": gif, "webp": webp}.items():
        (OUT / f"bomb.{extension}").write_bytes(data)


def area(array, width, height):
    """The exact mean over fractional boxes, rounded half up; with alpha, colours are weighted by it."""

    def weights(before, after):
        scale = Fraction(before, after)
        for index in range(after):
            start, end = index * scale, (index + 1) * scale
            yield [(i, min(end, i + 1) - max(start, i)) for i in range(floor(start), ceil(end))]

    half = Fraction(1, 2)
    out = np.zeros((height, width, array.shape[2]), np.uint8)
    columns = list(weights(array.shape[1], width))
    for y, rows in enumerate(weights(array.shape[0], height)):
        for x, cells in enumerate(columns):
            box = [(wy * wx, [int(v) for v in array[i, j]]) for i, wy in rows for j, wx in cells]
            total = sum(w for w, _ in box)
            if array.shape[2] < 4:
                out[y, x] = [floor(sum(w * p[c] for w, p in box) / total + half) for c in range(array.shape[2])]
                continue
            alpha = sum(w * p[3] for w, p in box)
            if alpha:
                colour = [floor(sum(w * p[3] * p[c] for w, p in box) / alpha + half) for c in range(3)]
                out[y, x] = colour + [floor(alpha / total + half)]
    return Image.fromarray(out[..., 0] if out.shape[2] == 1 else out)


def resizes():
    source = picture(41, 33, seed=1)
    filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "nearest": Image.NEAREST}
    for mode, image in {"RGB": source, "L": source.convert("L"), "RGBA": with_alpha(source)}.items():
        file = f"resize_{mode}.png"
        (OUT / file).write_bytes(saved(image, "PNG"))
        for width, height in [(13, 11), (24, 33), (60, 40), (41, 33), (1, 1)]:
            results = {name: image.resize((width, height), rule) for name, rule in filters.items()}
            array = np.asarray(image).reshape(image.height, image.width, -1)
            results["area"] = area(array, width, height) if (width, height) != image.size else image
            for rule, result in results.items():
                resize_cases.append({"file": file, "rule": rule, **stored(result)})
    # The box that `CropCenter { fraction: 0.8 }` cuts out of 41x33: 26 pixels wide, 7 from the left, 3 from the top.
    crop = source.crop((7, 3, 33, 29)).resize((12, 12), Image.BILINEAR)
    resize_cases.append({"file": "resize_RGB.png", "rule": "crop", **stored(crop)})


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for make in (jpegs, pngs, webps, gifs, bmps, tiffs, bombs, resizes):
        make()
    (OUT / "expected.bin").write_bytes(pixels)
    (OUT / "cases.json").write_text(json.dumps({"decode": decode_cases, "resize": resize_cases}, indent=1) + "\n")
