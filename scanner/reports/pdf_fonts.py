"""The fonts of a PDF: lent to one document at a time, and cut down to the glyphs that it uses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weasyprint.text.fonts import FontConfiguration

_USELESS = (b"BASE", b"DSIG", b"EBDT", b"EBLC", b"EBSC", b"FFTM", b"GPOS", b"GSUB", b"JSTF", b"LTSH", b"PCLT", b"SVG ")
"""Tables of a font (OpenType 1.9) by which text is set, or other things done that a PDF has done already; sorted."""


@contextmanager
def fonts_of_the_system() -> Iterator[FontConfiguration]:
    """Lend one document the fonts of the system, and let go of them.

    Pango (1.50 at least) never frees the list of them, a quarter of a megabyte, unless it is taken away before: a
    ``serve`` that makes some notices a day would grow by a quarter of a gigabyte in a year.
    """
    from weasyprint.text.ffi import ffi, pangoft2
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    try:
        yield fonts
    finally:
        pangoft2.pango_fc_font_map_set_config(ffi.cast("PangoFcFontMap *", fonts.font_map), ffi.NULL)


class Fonts(dict[Any, Any]):
    """The fonts of a document. Those of one file, of which a CJK font has 20 MB, share what was read of it."""

    def __setitem__(self, key: Any, font: Any) -> None:
        same = (each.file_content for each in self.values() if each.file_content == font.file_content)
        font.file_content = next(same, font.file_content)
        font.subset = partial(_cut_down, font)
        super().__setitem__(key, font)


def _cut_down(font: Any, glyphs: Collection[int], hinting: bool) -> None:
    """Leave in a font the ``glyphs`` only, by their numbers, which stay as they are.

    WeasyPrint does so in two steps, the second of which goes over all 60,000 places of a CJK font again to leave out
    empty ones at its end. HarfBuzz does that in the first step already, in a quarter of the time. WeasyPrint's way is
    left for systems without HarfBuzz's library that can do it, and for fonts that it can't read.
    """
    from weasyprint.text.ffi import ffi, harfbuzz, harfbuzz_subset
    from weasyprint.text.fonts import get_hb_object_data

    del font.subset  # WeasyPrint's from here on; and the font no longer refers to itself, which would keep it
    if not (glyphs and harfbuzz_subset and harfbuzz.hb_version_atleast(4, 1, 0)):
        font.subset(glyphs, hinting)
        return
    asked = ffi.gc(harfbuzz_subset.hb_subset_input_create_or_fail(), harfbuzz_subset.hb_subset_input_destroy)
    flags = (
        harfbuzz_subset.HB_SUBSET_FLAGS_RETAIN_GIDS
        | harfbuzz_subset.HB_SUBSET_FLAGS_PASSTHROUGH_UNRECOGNIZED
        | harfbuzz_subset.HB_SUBSET_FLAGS_DESUBROUTINIZE
        | (0 if hinting else harfbuzz_subset.HB_SUBSET_FLAGS_NO_HINTING)
        | (harfbuzz_subset.HB_SUBSET_FLAGS_NOTDEF_OUTLINE if font.missing else 0)
    )
    harfbuzz_subset.hb_subset_input_set_flags(asked, flags)
    kept = harfbuzz_subset.hb_subset_input_glyph_set(asked)
    harfbuzz.hb_set_add_sorted_array(kept, sorted(glyphs), len(glyphs))
    dropped = harfbuzz_subset.hb_subset_input_set(asked, harfbuzz_subset.HB_SUBSET_SETS_DROP_TABLE_TAG)
    tables = [harfbuzz.hb_tag_from_string(name, -1) for name in _USELESS]
    harfbuzz.hb_set_add_sorted_array(dropped, tables, len(tables))
    cut = ffi.gc(harfbuzz_subset.hb_subset_or_fail(font.hb_face, asked), harfbuzz.hb_face_destroy)
    content = get_hb_object_data(cut) if cut else None
    if content:
        font.file_content = content
    else:
        font.subset(glyphs, hinting)
