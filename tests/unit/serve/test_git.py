from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from engine.serve.git import serve_git
from engine.source.author import create_repository


@pytest.mark.parametrize(
    ("name", "status"),
    [("fleet.git", 200), ("none", 404), ("..%2Fx", 404), ("fleet.git%2F..%2F..%2Fx", 404)],
)
async def test_only_what_is_in_the_folder_is_served(tmp_path: Path, name: str, status: int) -> None:
    create_repository(tmp_path / "served" / "fleet.git")
    create_repository(tmp_path / "x")
    async with serve_git(tmp_path / "served") as server, aiohttp.ClientSession() as session:
        url = URL(f"{server.repository_url(name)}/info/refs?service=git-upload-pack", encoded=True)
        async with session.get(url) as answer:
            assert answer.status == status
