import io
import json
import subprocess
import sys
from contextlib import suppress
from struct import pack

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline_core.dataset.images import ImageReader, PictureError, decode, on_white, picture_digest, write_images
from pipeline_core.errors import DataError


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_transparency_becomes_white():
    art = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    art.putpixel((0, 0), (255, 0, 0, 255))
    seen = on_white(art)
    assert seen.mode == "RGB"
    assert [seen.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_shown_in_rgb(mode):
    assert on_white(Image.new(mode, (3, 2))).mode == "RGB"


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        (np.array([[0, 257, 32768, 65535]], np.uint16), "PNG", [0, 1, 128, 255]),
        (np.array([[0, 257, 32768, 65535]], np.uint16), "TIFF", [0, 1, 128, 255]),
        (np.array([[-100, 0, 100, 300]], np.int32), "TIFF", [0, 64, 128, 255]),
        (np.array([[0.0, 0.25, 0.5, 1.0]], np.float32), "TIFF", [0, 64, 128, 255]),
        (np.array([[7.0, 7.0]], np.float32), "TIFF", [0, 0]),
    ],
)
def test_greys_of_more_than_8_bits_are_scaled(values, kind, shown):
    seen = decode(encoded(Image.fromarray(values), kind))
    assert [seen.getpixel((x, 0)) for x in range(seen.width)] == [(grey,) * 3 for grey in shown]


def test_values_that_are_not_finite_are_no_picture():
    with pytest.raises(PictureError, match="not finite"):
        decode(encoded(Image.fromarray(np.array([[0.0, np.nan, 1.0]], np.float32)), "TIFF"))


def text_chunk(n):
    info = PngInfo()
    info.add_text("k", "x" * n, zip=True)
    return encoded(Image.new("RGB", (2, 2)), pnginfo=info)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"words", "it is of no known format"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "it is a pointer of Git LFS, which git lfs pull",
        ),
        (b"\n<!DOCTYPE html><html></html>", r"it is a web page \(HTML\)"),
        (encoded(Image.new("1", (20_000, 10_000))), "it has more than 178,956,970 pixels, the limit against bombs"),
        (encoded(Image.new("L", (1, 20_000))), "1 x 20000 pixels: longer than 300 to 1"),
        (encoded(Image.new("L", (301, 1))), "301 x 1 pixels: longer than 300 to 1"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is a page of PostScript$"),
        (b"\xc5\xd0\xd3\xc6" + bytes(26), "it is a page of PostScript$"),
        (b"*IMT\nheight 4y" + b"\1" * 64 + b"\n", r"it is damaged: .{1,200}$"),
        (text_chunk(2**21), "it has a text chunk that is too large"),
        (encoded(Image.new("RGB", (50, 50)))[:60], "it is damaged: "),
    ],
)
def test_what_no_model_can_be_shown_has_a_reason(data, reason):
    with pytest.raises(PictureError, match=f"^{reason}"):
        decode(data)


def test_the_longest_picture_that_is_taken():
    assert decode(encoded(Image.new("L", (1, 200)))).size == (1, 200)


@pytest.mark.parametrize(
    "kind",
    [
        "PNG",
        "JPEG",
        "GIF",
        "BMP",
        "TIFF",
        "WEBP",
        "AVIF",
        "JPEG2000",
        "TGA",
        "PPM",
        "ICO",
        "DDS",
        "PCX",
        "SGI",
        "ICNS",
        "QOI",
    ],
)
def test_damaged_bytes_raise_one_kind_of_error_under_any_decoder(kind):
    """Whatever a decoder makes of damage, it is a picture or a ``PictureError``."""
    if kind in {"ICO", "ICNS"}:
        whole = encoded(Image.new("RGBA", (32, 32), "red"), kind)
    else:
        whole = encoded(Image.effect_mandelbrot((32, 32), (-3, -2.5, 2, 2.5), 9).convert("RGB"), kind)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), size=6):
            data[place] = rng.integers(256)
        try:
            decode(bytes(data[: rng.integers(1, len(data) + 1)]))
        except PictureError as error:
            refused += 1
            assert "\n" not in str(error)
            assert "0x" not in str(error), "an address differs from run to run"
    assert refused


# How files begin whose decoders Pillow has without their encoders.
READ_ONLY = {
    "PSD": b"8BPS\0\1" + bytes(6) + pack(">HIIHHIII", 3, 16, 16, 8, 3, 0, 0, 0),
    "SUN": pack(">8I", 0x59A66A95, 16, 16, 24, 768, 1, 0, 0),
    "FTEX": b"FTEX" + pack("<9i", 0, 16, 16, 1, 1, 1, 32, 768, 0),
    "GBR": pack(">5I", 33, 2, 4, 4, 1) + b"GIMP" + pack(">I", 1) + b"name\0",
    "PIXAR": b"\200\350" + bytes(414) + pack("<2HI2H", 4, 4, 0, 14, 2),
    "XVTHUMB": b"P7 332\n#END_OF_COMMENTS\n4 4 255\n",
    "XPM": b'/* XPM */\nstatic char *x[] = {\n"2 2 2 1",\n"a c #ff0000",\n"b c #00ff00",\n"ab",\n"ba"};\n',
    "MCIDAS": pack(">I", 0) + pack(">I", 4) + pack(">I", 1) * 62,
    "FLI": pack("<I6HI", 400, 0xAF11, 1, 16, 16, 8, 0, 5) + bytes(108) + pack("<IH", 200, 0xF1FA),
    "DCX": pack("<3I", 0x3ADE68B1, 16, 0) + b"\x0a\5\1\x08",
    "CUR": b"\0\0\2\0\1\0" + bytes([16, 16, 0, 0, 0, 0, 0, 0]) + pack("<3I", 400, 22, 40),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + pack("<4hH", 0, 0, 100, 100, 72) + bytes(6) + b"\1\0\x09\0",
    "MPEG": b"\0\0\1\xb3\1\0\x10",
    "IPTC": b"\x1c\3\x0a\0\1\x01\x1c\3\x14\0\1\4\x1c\3x\0\1\1\x1c\x08\x0a\0\5",
    "PCD": bytes(2048) + b"PCD_",
    **{
        kind: head + bytes(16)
        for kind, head in {"GRIB": b"GRIB\0\0\0\1", "BUFR": b"BUFR", "HDF5": b"\x89HDF\r\n\x1a\n"}.items()
    },
}


@pytest.mark.parametrize("kind", READ_ONLY)
def test_what_pillow_only_reads_is_a_picture_or_refused(kind):
    rng = np.random.default_rng(0)
    for _ in range(40):
        data = bytearray(READ_ONLY[kind] + rng.bytes(800))
        data[rng.integers(len(READ_ONLY[kind]))] = rng.integers(256)
        with suppress(PictureError):
            assert decode(bytes(data[: rng.integers(8, len(data) + 1)])).mode == "RGB"


def test_pillow_warns_nobody():
    """Of tags that are cut short and of pictures that are large the terminal hears nothing, from any thread."""
    code = (
        "import io, sys\n"
        "from PIL import Image\n"
        "from pipeline_core.dataset.images import decode\n"
        "Image.MAX_IMAGE_PIXELS = 10\n"
        "decode(sys.stdin.buffer.read())\n"
    )
    data = encoded(Image.new("L", (4, 4)), "TIFF")
    tag = data.index(pack("<HHII", 258, 3, 1, 8))  # bits of a pixel
    cut = data[:tag] + pack("<HHII", 258, 3, 2**20, 8) + data[tag + 12 :]
    done = [
        subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, check=False).stderr.decode()
        for told in (encoded(Image.new("L", (4, 4))), cut)
    ]
    assert done[0] == ""
    assert "Warning" not in done[1]


def test_transparent_colour_of_a_palette_becomes_white():
    art = Image.new("P", (1, 1), 0)
    art.putpalette([255, 0, 0])
    assert decode(encoded(art, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_photographs_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.new("RGB", (4, 2)), "JPEG", exif=exif)).size == (2, 4)


def test_the_digest_is_of_what_is_seen():
    picture = Image.new("RGB", (4, 2), "red")
    assert picture_digest(decode(encoded(picture))) == picture_digest(decode(encoded(picture, compress_level=0)))
    assert picture_digest(picture) != picture_digest(Image.new("RGB", (2, 4), "red"))
    assert picture_digest(picture) != picture_digest(Image.new("RGB", (4, 2), "blue"))


def test_rows_are_found_across_row_groups(tmp_path):
    files = []
    for shade in range(5):
        files.append(tmp_path / f"{shade}.png")
        Image.new("RGB", (1, 1), (shade, 0, 0)).save(files[-1])
    order = [files[i % 5] for i in range(600)]
    references = write_images(tmp_path, order)
    with ImageReader(tmp_path) as reader:
        for row in (0, 255, 256, 257, 511, 512, 599, 1):
            assert reader.open(references[row]).getpixel((0, 0)) == (row % 5, 0, 0)


def test_files_are_found_below_the_source_s_root(tmp_path):
    root, artifact = tmp_path / "root", tmp_path / "artifact"
    (root / "cats").mkdir(parents=True)
    artifact.mkdir()
    Image.new("RGB", (3, 3)).save(root / "cats" / "a #1.png")
    (artifact / "source.json").write_text(json.dumps({"root": str(root)}))
    with ImageReader(artifact) as reader:
        assert reader.open("file:cats/a #1.png").size == (3, 3)
        with pytest.raises(DataError, match=r"file:gone\.png does not exist"):
            reader.open("file:gone.png")


def test_a_picture_damaged_since_is_one_line(tmp_path):
    (tmp_path / "source.json").write_text(json.dumps({"root": str(tmp_path)}))
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (50, 50)))[:60])
    with (
        ImageReader(tmp_path) as reader,
        pytest.raises(DataError, match=r"^the picture file:a\.png cannot be read: it is .*"),
    ):
        reader.open("file:a.png")


@pytest.mark.parametrize("ref", ["parquet:images.parquet#7", "parquet:images.parquet", "http://x/y.png", ""])
def test_a_wrong_reference_is_one_line(tmp_path, ref):
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    write_images(tmp_path, [tmp_path / "a.png"])
    with ImageReader(tmp_path) as reader, pytest.raises(DataError) as error:
        reader.open(ref)
    assert "\n" not in str(error.value)


def test_a_closed_reader_opens_again(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    [reference] = write_images(tmp_path, [tmp_path / "a.png"])
    reader = ImageReader(tmp_path)
    reader.open(reference)
    reader.close()
    assert reader.open(reference).size == (1, 1)
    reader.close()
