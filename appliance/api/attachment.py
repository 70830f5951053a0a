"""Files that are handed out: how they are called (RFC 6266), in any script, and that nobody between keeps them."""

import re
from typing import Final
from urllib.parse import quote

from fastapi import Response

# What a quoted string holds in every program; the rest of a name goes along in UTF-8 (RFC 8187).
_OUTLANDISH: Final = re.compile(r"[^A-Za-z0-9._@+ -]")


def attachment(name: str, media_type: str, content: bytes | str, *, cache: str = "no-store") -> Response:
    """Hand a file out.

    Args:
        name: Of the file, as the reader is to keep it.
        media_type: Of its content.
        content: All of it.
        cache: Who may keep it (``Cache-Control``).
    """
    name = "".join(character if character.isprintable() else "-" for character in name)
    plain = _OUTLANDISH.sub("-", name)
    whole = f"; filename*=UTF-8''{quote(name, safe='')}" if name != plain else ""
    headers = {"Content-Disposition": f'attachment; filename="{plain}"{whole}', "Cache-Control": cache}
    return Response(content, media_type=media_type, headers=headers)
