"""Pictures of a data set, opened by reference."""

import hashlib

from PIL import Image


def on_white(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB, transparency composited on white: the page that art is drawn for."""
    art = picture.convert("RGBA")
    page = Image.new("RGBA", art.size, "white")
    page.alpha_composite(art)
    return page.convert("RGB")


def picture_digest(picture: Image.Image) -> str:
    """Return the sha256 of a picture's size and pixels: equal for pictures that look the same in different files."""
    return hashlib.sha256(f"{picture.size}{picture.mode}".encode() + picture.tobytes()).hexdigest()
