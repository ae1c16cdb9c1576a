"""The web surface from outside: page and chunks must be of one build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.connectors.web_hosts import names_in, page
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import instance_id
from tests.connectors.loopback import answer, host_at, serving
from tests.connectors.stand import WEB_HOST, environment, stand

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.process import Simulator


def test_the_page_and_every_chunk_name_the_build(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        seen = page(here.clients.http(WEB_HOST), WEB_HOST)
    assert seen.whole
    assert seen.builds == (names.BAD_BUILD,)
    assert len(seen.chunks) >= 2
    assert seen.echoed


def test_an_instance_of_another_build_shows(sim: Simulator) -> None:
    ids = [instance_id(names.WEB, "production", index) for index in range(3)]
    sim.control.fault("instance_serves", site=names.WEB, slot="production", index=2,
                      build=names.STABLE_BUILD)  # fmt: skip
    with stand(environment(sim)) as here:
        http = here.clients.http(WEB_HOST)
        seen = [
            page(http, WEB_HOST, headers=(("cookie", f"ARRAffinity={one}"),)).builds for one in ids
        ]
        mixed = page(http, WEB_HOST)
    sim.control.fault("instance_serves", site=names.WEB, slot="production", index=2, build=None)
    assert seen == [(names.BAD_BUILD,), (names.BAD_BUILD,), (names.STABLE_BUILD,)]
    assert not mixed.whole, "without affinity chunks come from all instances"


def test_a_missing_chunk_a_foreign_script_and_too_many_chunks() -> None:
    scripts = "".join(f"<script src='/c{n}.js'></script>" for n in range(101))
    html = f"<meta name=build content=b1><script src=https://cdn.example/x.js></script>{scripts}"

    def say(n: int) -> bytes:
        if n == 0:
            return answer("200 OK", html.encode())
        return answer("404 No") if n == 5 else answer("200 OK", b"/*build:b1*/")

    with serving(say) as little, host_at(little) as (http, *_):
        seen = page(http, little.host)
    assert seen.foreign == ("cdn.example",)
    assert not seen.complete
    assert not seen.whole
    assert [chunk.path for chunk in seen.chunks if chunk.problem] == ["/c4.js"]
    assert seen.builds == ("b1",)


def test_a_chunk_of_another_build_shows_although_it_answers() -> None:
    html = b"<meta name=build content=b1><script src=/c.js></script>"
    for mark, whole in ((b"/*build:b1*/", True), (b"/*build:b2*/", False), (b"", True)):
        said = {0: answer("200 OK", html), 1: answer("200 OK", mark)}
        with serving(said.get) as little, host_at(little) as (http, *_):
            assert page(http, little.host).whole is whole


def test_a_page_that_does_not_answer_or_names_no_build() -> None:
    with serving(lambda _: answer("500 No")) as little, host_at(little) as (http, *_):
        failed = page(http, little.host)
    with serving(lambda _: answer("200 OK", b"<p>")) as little, host_at(little) as (http, *_):
        nameless = page(http, little.host)
    with serving(lambda _: None) as little, host_at(little) as (http, *_):
        silent = page(http, little.host)
    assert [seen.whole for seen in (failed, nameless, silent)] == [False] * 3
    assert (failed.status, nameless.status, silent.status) == (500, 200, None)


def test_names_are_read_as_a_browser_would() -> None:
    html = (
        '<!-- <script src="/no.js"></script> --><META NAME="build" CONTENT=" b2 ">'
        '<meta name="build" content="later"><link rel="modulepreload" href="/p.js">'
        "<link rel=stylesheet href=/s.css><link rel=icon href=/i.png>"
        '<script>var x = "<script src=/inline.js>";</script><script src="a&amp;b.js"></script>'
    )
    assert names_in(html) == ("b2", ("/p.js", "/s.css", "a&b.js"))


def test_a_name_that_is_no_address_is_a_chunk_that_is_not_there() -> None:
    html = "<meta name=build content=b1><script src='http://['></script><script src=/c.js></script>"
    page_text = html + "<script src='http://a\u2100b/'></script>"

    def say(n: int) -> bytes:
        return answer("200 OK", page_text.encode() if n == 0 else b"/*build:b1*/")

    with serving(say) as little, host_at(little) as (http, *_):
        seen = page(http, little.host)
    assert [chunk.problem for chunk in seen.chunks] == ["is no address", "is no address", ""]
    assert not seen.whole
