"""Pixels against values that Pillow gives by hand."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from skcnn._data.image_files.decoding import Decoder
from skcnn._data.image_files.headers import Header, read_header
from skcnn._data.image_files.pillow import MOST_PIXELS
from skcnn.exceptions import ImageFileError
from tests.helpers.pictures import noise, save, smooth

BILINEAR = Image.Resampling.BILINEAR


def by_pillow(path):
    with Image.open(path) as image:
        return np.asarray(image)


def info_of(path):
    with Image.open(path) as image:
        return {**image.info, "mode": image.mode, "n_frames": getattr(image, "n_frames", 1)}


def decoded(path, mode="RGB", size=None, resize="crop", most_pixels=MOST_PIXELS):
    return Decoder(mode, size, resize, most_pixels).array(str(path))


def test_colours_of_a_lossless_file_are_its_own(tmp_path):
    array = noise(5, 7)
    np.testing.assert_array_equal(decoded(save(tmp_path / "a.png", array)), array)


def test_grey_files_become_colours_and_colours_become_grey(tmp_path):
    grey, colours = noise(5, 7, 0), noise(5, 7)
    path = save(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(decoded(path), np.repeat(grey[..., None], 3, 2))
    np.testing.assert_array_equal(decoded(path, "L"), grey[..., None])
    path = save(tmp_path / "b.png", colours)
    luma = (colours * np.array([19595, 38470, 7471], np.uint32)).sum(2) + 2**15 >> 16
    np.testing.assert_array_equal(decoded(path, "L"), luma[..., None])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_palettes_are_looked_up(tmp_path, mode):
    colours = np.array([[10, 20, 30], [200, 100, 0], [7, 7, 7]], np.uint8)
    places = np.random.default_rng(0).integers(0, 3, (6, 4), dtype=np.uint8)
    image = Image.fromarray(places)
    image.putpalette(colours.tobytes())
    assert image.mode == "P"
    image.save(tmp_path / "a.png")
    expected = Image.fromarray(colours[places]).convert(mode)
    np.testing.assert_array_equal(
        decoded(tmp_path / "a.png", mode), np.asarray(expected).reshape(6, 4, -1)
    )


def test_transparent_palettes_give_alpha_or_leave_it_out_without_a_warning(tmp_path):
    colours = np.array([[10, 20, 30], [200, 100, 0], [7, 7, 7]], np.uint8)
    alpha = np.array([0, 128, 255], np.uint8)
    places = np.random.default_rng(0).integers(0, 3, (6, 4), dtype=np.uint8)
    image = Image.fromarray(places)
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "a.png", transparency=alpha.tobytes())
    expected = np.concatenate([colours[places], alpha[places][..., None]], axis=2)
    np.testing.assert_array_equal(decoded(tmp_path / "a.png", "RGBA"), expected)
    np.testing.assert_array_equal(decoded(tmp_path / "a.png"), colours[places])


def test_alpha_is_kept_or_left_out(tmp_path):
    array = noise(5, 7, 4)
    path = save(tmp_path / "a.png", array)
    np.testing.assert_array_equal(decoded(path, "RGBA"), array)
    np.testing.assert_array_equal(decoded(path), array[..., :3])
    opaque = decoded(save(tmp_path / "b.png", array[..., :3]), "RGBA")
    assert (opaque[..., 3] == 255).all()


def test_grey_with_alpha_and_single_bits(tmp_path):
    grey, alpha = noise(5, 7, 0), noise(5, 7, 0, seed=1)
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded(tmp_path / "a.png", "L"), grey[..., None])
    Image.fromarray(grey > 127).save(tmp_path / "b.png")
    assert info_of(tmp_path / "b.png")["mode"] == "1"
    np.testing.assert_array_equal(decoded(tmp_path / "b.png", "L")[..., 0], (grey > 127) * 255)


def test_cmyk_becomes_the_colours_that_pillow_gives(tmp_path):
    image = Image.fromarray(smooth(16, 24)).convert("CMYK")
    image.save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as again:
        assert again.mode == "CMYK"
        cmyk = np.asarray(again).astype(int)
    found = decoded(tmp_path / "a.jpg")
    by_hand = (255 - cmyk[..., :3]) * (255 - cmyk[..., 3:]) / 255
    np.testing.assert_allclose(found, by_hand, atol=1.01)


def test_progressive_and_baseline_files_have_the_same_pixels(tmp_path):
    array = smooth(33, 47)
    base = save(tmp_path / "a.jpg", array, quality=90)
    progressive = save(tmp_path / "b.jpg", array, quality=90, progressive=True)
    assert info_of(progressive)["progressive"]
    np.testing.assert_array_equal(decoded(base), decoded(progressive))
    np.testing.assert_array_equal(decoded(base), by_pillow(base))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_kept_and_become_eight_by_their_high_byte(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 2**16, (6, 9), dtype=np.uint16)
    path = save(tmp_path / f"a{suffix}", values)
    found = decoded(path, "I;16")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[..., 0], values)
    np.testing.assert_array_equal(decoded(path, "L")[..., 0], values // 256)
    np.testing.assert_array_equal(decoded(path)[..., 2], values // 256)


def test_big_endian_tiff(tmp_path):
    values = np.arange(60, dtype=np.uint16).reshape(6, 10) * 1000
    image = Image.frombytes("I;16B", (10, 6), values.astype(">u2").tobytes())
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", "I;16")[..., 0], values)


def test_eight_bits_become_sixteen_so_that_white_stays_white(tmp_path):
    grey = noise(5, 7, 0)
    grey[0, 0], grey[0, 1] = 0, 255
    found = decoded(save(tmp_path / "a.png", grey), "I;16")[..., 0]
    np.testing.assert_array_equal(found, grey.astype(np.uint16) * 257)
    assert (found[0, 0], found[0, 1]) == (0, 65535)
    colours = decoded(save(tmp_path / "b.png", np.repeat(grey[..., None], 3, 2)), "I;16")
    np.testing.assert_array_equal(colours[..., 0], found)


def test_sixteen_bits_are_resized(tmp_path):
    values = np.repeat(np.arange(4, dtype=np.uint16) * 20000, 2)[None].repeat(6, 0)
    path = save(tmp_path / "a.png", values)
    found = decoded(path, "I;16", (3, 4), "stretch")
    by_hand = Image.fromarray(values.astype(np.int32)).resize((4, 3), BILINEAR)
    np.testing.assert_array_equal(found[..., 0], np.asarray(by_hand))


def test_sixteen_bits_are_cropped_and_padded(tmp_path):
    values = np.random.default_rng(0).integers(0, 2**16, (4, 10), dtype=np.uint16)
    path = save(tmp_path / "a.png", values)
    np.testing.assert_array_equal(decoded(path, "I;16", (4, 4))[..., 0], values[:, 3:7])
    padded = decoded(path, "I;16", (10, 10), "pad")[..., 0]
    np.testing.assert_array_equal(padded[3:7], values)
    assert not padded[:3].any()
    assert not padded[7:].any()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4), 0.5, np.float32), "mode 'F'"),
        (np.full((4, 4), 70000, np.int32), r"mode 'I' in \[70000, 70000\]"),
    ],
)
def test_floats_and_long_integers_are_named(tmp_path, array, message):
    with pytest.raises(ImageFileError, match=message):
        decoded(save(tmp_path / "a.tif", array))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_pictures_are_turned_as_exif_says(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".jpg": {"quality": 95}, ".webp": {"lossless": True}}.get(suffix, {})
    path = save(tmp_path / f"a{suffix}", smooth(12, 20), exif=exif, **options)
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(decoded(path), np.asarray(turned))
    assert turned.size == ((12, 20) if orientation > 4 else (20, 12))
    assert read_header(str(path), MOST_PIXELS) == Header(turned.height, turned.width, "RGB")


def test_exif_behind_the_pixels_of_a_png_counts(tmp_path):
    array = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", array, exif=exif)
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    length = int.from_bytes(data[start : start + 4], "big") + 12
    chunk, rest = data[start : start + length], data[:start] + data[start + length :]
    path.write_bytes(rest[:-12] + chunk + rest[-12:])
    np.testing.assert_array_equal(decoded(path), np.rot90(array, -1))


@pytest.mark.parametrize(
    ("name", "exif"), [("a.jpg", b"XX"), ("a.png", b"MM\0*\0\0\0\x08\0\x05\x01\x12")]
)
def test_damaged_exif_is_ignored(tmp_path, name, exif):
    path = save(tmp_path / name, smooth(8, 8), exif=b"Exif\0\0" + exif)
    np.testing.assert_array_equal(decoded(path), by_pillow(path))
    assert read_header(str(path), MOST_PIXELS).mode == "RGB"


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_animated_files_give_their_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ["red", "blue", "lime"]]
    path = tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    assert info_of(path)["n_frames"] == 3
    np.testing.assert_array_equal(decoded(path), np.asarray(frames[0]))


def test_photos_with_a_preview_behind_them(tmp_path):
    large, small = smooth(64, 48), smooth(8, 6, seed=1)
    path = tmp_path / "a.jpg"
    Image.fromarray(large).save(
        path, "MPO", save_all=True, append_images=[Image.fromarray(small)], quality=95
    )
    assert info_of(path)["n_frames"] == 2
    np.testing.assert_array_equal(decoded(path), by_pillow(path))
    assert decoded(path, size=(8, 8)).shape == (8, 8, 3)


def test_files_are_recognised_by_their_content(tmp_path):
    array = noise(5, 7)
    path = save(tmp_path / "a.png", array).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(decoded(path), array)


def test_encoded_bytes_and_pillow_images_are_sources():
    array = noise(9, 7)
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "png")
    decoder = Decoder("RGB", None)
    np.testing.assert_array_equal(decoder.array(stream.getvalue()), array)
    np.testing.assert_array_equal(decoder.array(Image.fromarray(array)), array)


# Sizes


def test_a_picture_of_the_wanted_size_is_not_changed(tmp_path):
    array = noise(5, 7)
    path = save(tmp_path / "a.png", array)
    for resize in ("crop", "pad", "stretch"):
        np.testing.assert_array_equal(decoded(path, size=(5, 7), resize=resize), array)


@pytest.mark.parametrize("size", [(4, 10), (20, 9), (3, 3), (5, 12)])
def test_stretch_is_pillows_bilinear_resize(tmp_path, size):
    array = noise(8, 12)
    found = decoded(save(tmp_path / "a.png", array), size=size, resize="stretch")
    expected = Image.fromarray(array).resize(size[::-1], BILINEAR)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_crop_takes_the_centre_of_the_scaled_picture(tmp_path):
    array = noise(8, 20)
    found = decoded(save(tmp_path / "a.png", array), size=(8, 8))
    np.testing.assert_array_equal(found, array[:, 6:14])
    found = decoded(save(tmp_path / "b.png", array.swapaxes(0, 1)), size=(4, 4))
    centre = Image.fromarray(array.swapaxes(0, 1)).resize((4, 4), BILINEAR, box=(0, 6, 8, 14))
    np.testing.assert_array_equal(found, np.asarray(centre))


def test_pad_adds_zeros_on_both_sides(tmp_path):
    array = noise(8, 20)
    found = decoded(save(tmp_path / "a.png", array), size=(20, 20), resize="pad")
    np.testing.assert_array_equal(found[6:14], array)
    assert not found[:6].any()
    assert not found[14:].any()
    found = decoded(tmp_path / "a.png", size=(10, 10), resize="pad")
    small = np.asarray(Image.fromarray(array).resize((10, 4), BILINEAR))
    np.testing.assert_array_equal(found[3:7], small)
    assert not found[:3].any()


def test_very_long_pictures_keep_a_pixel(tmp_path):
    path = save(tmp_path / "a.png", noise(1, 500))
    found = decoded(path, size=(4, 4), resize="pad")
    assert found[1].any()
    assert decoded(path, size=(4, 4)).shape == (4, 4, 3)


@pytest.mark.parametrize("resize", ["crop", "stretch"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpegs_are_decoded_at_a_fraction_of_their_size(tmp_path, resize, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", smooth(240, 400), quality=90, exif=exif)
    found = decoded(path, size=(24, 20), resize=resize)
    with Image.open(path) as image:
        image.draft(None, (40, 48) if orientation == 1 else (48, 40))
        assert image.size == (100, 60)
        image = ImageOps.exif_transpose(image)
    box = None
    if resize == "crop":
        scale = max(20 / image.width, 24 / image.height)
        across, down = 20 / scale, 24 / scale
        left, top = (image.width - across) / 2, (image.height - down) / 2
        box = (left, top, left + across, top + down)
    np.testing.assert_array_equal(found, np.asarray(image.resize((20, 24), BILINEAR, box=box)))


def test_alpha_does_not_bleed_when_resized(tmp_path):
    array = np.zeros((4, 8, 4), np.uint8)
    array[:, :4] = (200, 100, 50, 255)  # the other half is transparent black
    found = decoded(save(tmp_path / "a.png", array), "RGBA", (2, 3), "stretch")
    middle = found[0, 1]
    assert 0 < middle[3] < 255
    np.testing.assert_allclose(middle[:3], (200, 100, 50), atol=2)


# Bad files


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = save(tmp_path / "a.png", noise(10, 10))
    with pytest.raises(ImageFileError, match="it has 10 x 10 pixels, more than max_pixels=99"):
        decoded(path, most_pixels=99)
    with pytest.raises(ImageFileError, match="max_pixels=99"):
        read_header(str(path), 99)
    assert decoded(path, most_pixels=100).shape == (10, 10, 3)


def test_pillows_global_limit_does_not_count(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", noise(10, 10))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decoded(path).shape == (10, 10, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is a text, not a picture", "it is not in an allowed format .JPEG, PNG"),
        (b"", "the file is empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "it is not in an allowed format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "."),
        (b"\xff\xd8\xff\xe0" + bytes(30), "."),
    ],
)
def test_files_that_are_no_pictures(tmp_path, content, message):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (decoded, lambda path: read_header(str(path), MOST_PIXELS)):
        with pytest.raises(ImageFileError, match=message):
            read(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_truncated_files(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", noise(60, 60))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ImageFileError):
        decoded(path)


@pytest.mark.parametrize(
    ("error", "message"),
    [(FileNotFoundError, "there is no such file"), (IsADirectoryError, "is a directory")],
)
def test_files_that_cannot_be_opened(tmp_path, error, message):
    path = tmp_path if error is IsADirectoryError else tmp_path / "none.png"
    with pytest.raises(ImageFileError, match=message) as caught:
        decoded(path)
    assert isinstance(caught.value.__cause__, error)


def test_no_memory_is_no_bad_file(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", noise(10, 10))

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(Decoder, "_finished", full)
    with pytest.raises(MemoryError):
        decoded(path)
