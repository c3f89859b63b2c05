from impasto.pictures.formats import READABLE_SUFFIXES, WRITABLE_SUFFIXES


def test_every_writable_extension_is_readable():
    assert set(WRITABLE_SUFFIXES) <= set(READABLE_SUFFIXES)
