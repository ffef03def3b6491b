"""Image names, by Docker's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrappers.containers.cvmfs import name_for
from wrappers.containers.errors import InvalidReference
from wrappers.containers.reference import Reference, parse

DIGEST = "sha256:" + "0123456789abcdef" * 4

words = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
hosts = st.from_regex(
    r"([a-z0-9]{1,5}\.){1,3}[a-z]{2,4}(:[0-9]{1,5})?|localhost(:[0-9]{1,5})?", fullmatch=True
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
digests = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)
references = st.builds(
    lambda host, parts, tag, digest: Reference(
        host, "/".join(parts), tag or ("" if digest else "latest"), digest
    ),
    hosts,
    st.lists(words, min_size=1, max_size=4),
    st.one_of(st.just(""), tags),
    st.one_of(st.just(""), digests),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("vip/tool:1.0", "docker.io/vip/tool:1.0"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/vip/tool", "docker.io/vip/tool:latest"),
        ("docker://quay.io/team/tool:2", "quay.io/team/tool:2"),
        ("localhost/tool", "localhost/tool:latest"),
        ("localhost:5000/tool", "localhost:5000/tool:latest"),
        ("registry:5000/tool:v1", "registry:5000/tool:v1"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest"),
        ("[::1]:5000/tool", "[::1]:5000/tool:latest"),
        ("covid.creatis.insa-lyon.fr/vip/x:1", "covid.creatis.insa-lyon.fr/vip/x:1"),
        (f"tool@{DIGEST}", f"docker.io/library/tool@{DIGEST}"),
        (f"quay.io/a/tool:1@{DIGEST}", f"quay.io/a/tool:1@{DIGEST}"),
        ("  vip/tool \n", "docker.io/vip/tool:latest"),
    ],
)
def test_every_spelling_has_one_normal_form(text: str, expected: str) -> None:
    assert parse(text).text == expected


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("vip/tool", "quay.io", "quay.io/vip/tool:latest"),
        ("vip/tool", "docker://", "docker.io/vip/tool:latest"),
        ("tool", "docker://quay.io/team/", "quay.io/team/tool:latest"),
        ("vip/tool", "http://index.docker.io", "docker.io/vip/tool:latest"),
        ("quay.io/vip/tool", "ghcr.io", "quay.io/vip/tool:latest"),
        ("localhost:5000/tool", "quay.io", "localhost:5000/tool:latest"),
    ],
)
def test_an_index_stands_before_names_without_a_host(text: str, index: str, expected: str) -> None:
    assert parse(text, index).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "Tool",
        "vip/Tool:1",
        "vip//tool",
        "vip/tool:",
        "vip/tool:a b",
        "vip/tool:" + "x" * 129,
        "vip/tool@sha256:abc",
        "vip/tool@md5:" + "0" * 32,
        "vip/tool@" + DIGEST.upper(),
        "-host.org/tool",
        "host..org/tool",
        "../tool",
        "vip/tool;rm",
        "vip/tool\nx",
        "shub://vip/tool",
        "library://vip/tool",
        "a" * 256,
    ],
)
def test_what_is_no_image_name_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"^image name .* is not valid: "):
        parse(text)


@given(references)
def test_a_normal_form_reads_back_as_itself(reference: Reference) -> None:
    assert parse(reference.text) == reference


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_a_clear_error(text: str) -> None:
    try:
        found = parse(text)
    except InvalidReference as refused:
        found, said = None, str(refused)
        assert "\n" not in said
    assert found is None or parse(found.text) == found


@given(references, references)
def test_no_two_images_share_a_readable_name_on_cvmfs(one: Reference, other: Reference) -> None:
    assert (name_for(one) == name_for(other)) == (
        (one.host, one.repository, one.tag or one.digest)
        == (other.host, other.repository, other.tag or other.digest)
    )
    assert set(name_for(one)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-")
