from __future__ import annotations

import fcntl
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from raise_hpo.cli import app
from raise_hpo.data.catalogue import RemoteFile, catalogue, find_public
from raise_hpo.data.fetch import fetch_file
from raise_hpo.errors import UserError

from .web import Site, serving

CONTENT = random.Random(1).randbytes(300_000)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(files={"/events.h5": CONTENT}) as found:
        yield found


def remote(*urls: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("events.h5", len(content), f"md5:{hashlib.md5(content).hexdigest()}", urls)


def fetch(file: RemoteFile, folder: Path, **more: Any) -> bool:
    return fetch_file(file, folder, pause=0.0, **more)


def test_a_file_is_fetched_once(site: Site, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    file = remote(site.url + "/events.h5")
    assert fetch(file, tmp_path / "new", progress=lambda *step: told.append(step))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["events.h5"]
    assert (tmp_path / "new" / "events.h5").read_bytes() == CONTENT
    assert told[-1] == ("events.h5", len(CONTENT), len(CONTENT))
    asked = len(site.asked)
    assert not fetch(file, tmp_path / "new") and len(site.asked) == asked


def test_a_broken_connection_is_taken_up_at_the_last_whole_piece(site: Site, tmp_path: Path) -> None:
    site.breaks_after = [100_000, 70_000]
    assert fetch(remote(site.url + "/events.h5"), tmp_path)
    assert (tmp_path / "events.h5").read_bytes() == CONTENT
    begins = [int((asked or "bytes=0-").removeprefix("bytes=").rstrip("-")) for _, asked in site.asked]
    assert begins == [0, 65_536, 65_536 + 65_536]


def test_a_later_call_goes_on_from_what_is_here(site: Site, tmp_path: Path) -> None:
    site.breaks_after = [90_000, 0, 0]
    with pytest.raises(UserError, match=r"cannot fetch 'events.h5'.*call again to go on"):
        fetch(remote(site.url + "/events.h5"), tmp_path)
    assert (tmp_path / "events.h5.part").read_bytes() == CONTENT[:65_536]
    assert not (tmp_path / "events.h5").exists()
    with serving(files={"/mirror/events.h5": CONTENT}) as mirror:
        assert fetch(remote(mirror.url + "/mirror/events.h5"), tmp_path)
        assert mirror.asked == [("/mirror/events.h5", "bytes=65536-")]
    assert (tmp_path / "events.h5").read_bytes() == CONTENT


def test_a_place_that_cannot_begin_in_the_middle_begins_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "events.h5.part").write_bytes(CONTENT[:1000])
    site.ranges = False
    assert fetch(remote(site.url + "/events.h5"), tmp_path)
    assert (tmp_path / "events.h5").read_bytes() == CONTENT


def test_wrong_bytes_are_thrown_away_and_the_next_mirror_is_asked(site: Site, tmp_path: Path) -> None:
    site.files["/bad/events.h5"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    urls = [site.url + place for place in ("/none/events.h5", "/bad/events.h5", "/events.h5")]
    assert fetch(remote(*urls), tmp_path)
    assert (tmp_path / "events.h5").read_bytes() == CONTENT


def test_a_damaged_part_is_noticed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "events.h5.part").write_bytes(b"x" * 1000)
    assert fetch(remote(site.url + "/events.h5"), tmp_path)
    assert (tmp_path / "events.h5").read_bytes() == CONTENT


def test_a_file_of_the_name_that_is_another_is_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "events.h5").write_bytes(b"something else")
    assert fetch(remote(site.url + "/events.h5"), tmp_path)
    assert (tmp_path / "events.h5").read_bytes() == CONTENT


def test_each_places_answer_is_told(site: Site, tmp_path: Path) -> None:
    site.files["/bad/events.h5"] = CONTENT[::-1]
    with pytest.raises(UserError) as told:
        fetch(remote(site.url + "/none", site.url + "/bad/events.h5", "http://127.0.0.1:9/x"), tmp_path)
    assert "404" in str(told.value) and "another checksum" in str(told.value) and "refused" in str(told.value)
    assert "\n" not in str(told.value)


def test_two_at_once_do_not_mix_their_bytes(site: Site, tmp_path: Path) -> None:
    with open(tmp_path / "events.h5.part", "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process is fetching"):
            fetch(remote(site.url + "/events.h5"), tmp_path)


def own_catalogue(site: Site, folder: Path, more: str = "") -> Path:
    site.files["/a"], site.files["/b"] = CONTENT[:1000], CONTENT[:2000]
    record = site.record("/api/records/7", {"jets_1.h5": "/a", "jets_2.h5": "/b", "README.txt": "/a"})
    file = folder / "own.toml"
    file.write_text(f'[ours]\nabout = "Our own jets"\nrecord = "{record}"\nfiles = "*.h5"\nconvert = "jets"\n{more}')
    return file


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["data", "fetch", *map(str, arguments)])
    if isinstance(done.exception, UserError):
        raise done.exception
    return done.exit_code, done.output


def test_the_command_fetches_what_the_record_lists(site: Site, tmp_path: Path) -> None:
    file = own_catalogue(site, tmp_path)
    code, said = call("ours", "--catalogue", file, "--out", tmp_path / "jets")
    assert code == 0 and "2 fetched, 0 were there already" in said and "data convert jets" in said
    assert sorted(path.name for path in (tmp_path / "jets").iterdir()) == ["jets_1.h5", "jets_2.h5"]
    code, said = call("ours", "--catalogue", file, "--out", tmp_path / "jets", "--files", "*_2*")
    assert code == 0 and "0 fetched, 1 were there already" in said


def test_a_mirror_of_the_users_own_comes_first(site: Site, tmp_path: Path) -> None:
    file = own_catalogue(site, tmp_path, 'mirrors = ["http://127.0.0.1:9/last"]\n')
    with serving(files={"/near/jets_1.h5": CONTENT[:1000]}) as near:
        call("ours", "--catalogue", file, "--out", tmp_path / "jets", "--mirror", near.url + "/near/")
        assert near.asked[0] == ("/near/jets_1.h5", "bytes=0-")
    assert ("/b", "bytes=0-") in site.asked and ("/a", "bytes=0-") not in site.asked


def test_all_data_sets_are_listed(site: Site, tmp_path: Path) -> None:
    code, said = call("--catalogue", own_catalogue(site, tmp_path))
    assert code == 0 and "Our own jets" in said
    assert all(name in said and entry.about in said for name, entry in catalogue().items())


def test_every_known_data_set_has_a_converter() -> None:
    from raise_hpo.cli.data.convert import convert_app

    converters = {command.name for command in convert_app.registered_commands}
    assert all(entry.convert in converters and entry.record.startswith("https://") for entry in catalogue().values())


def test_what_is_wrong_is_told(site: Site, tmp_path: Path) -> None:
    file = own_catalogue(site, tmp_path)
    with pytest.raises(UserError, match="no public data set 'our'; did you mean 'ours'"):
        find_public("our", file)
    with pytest.raises(UserError, match=r"has no file '\*.root'; it has README.txt, jets_1.h5, jets_2.h5"):
        find_public("ours", file).list_files("*.root")
    site.files["/api/records/7"] = b"<html>down for maintenance</html>"
    with pytest.raises(UserError, match="cannot read the list of files at http"):
        find_public("ours", file).list_files()
    site.record("/api/records/7", {"../../jets.h5": "/a"})
    with pytest.raises(UserError, match=r"odd name '../../jets.h5'"):
        find_public("ours", file).list_files()
    for content, said in (
        ("[x", "cannot read the catalogue"),
        ("[x]\n", "with a 'record'"),
        ("x = 1", "with a 'record'"),
    ):
        file.write_text(content)
        with pytest.raises(UserError, match=said):
            catalogue(file)
    file.write_text('[x]\nrecord = "http://y"\nmirror = []\n')
    with pytest.raises(UserError, match="'x' has an unknown key 'mirror'; did you mean 'mirrors'"):
        catalogue(file)
