import io
import json

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
