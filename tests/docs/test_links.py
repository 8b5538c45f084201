"""Links inside the repository lead somewhere."""

import pytest

from tests.docs.pages import ROOT, anchors, blocks, links, name, pages


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_lead_to_a_file_and_a_heading(page):
    for link in links(page):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if fragment:
            assert fragment in anchors(target), link


def test_every_page_can_be_reached_from_the_readme():
    readme = ROOT / "README.md"
    reached, waiting = {readme}, [readme]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert sorted(name(page) for page in pages() if page not in reached) == []


@pytest.mark.parametrize("page", pages(), ids=name)
def test_scripts_that_are_named_exist(page):
    for block in blocks(page, "sh"):
        for word in block.text.split():
            if word.startswith(("script/", ".ci/", "./script/")):
                assert (ROOT / word.removeprefix("./")).is_file(), word
