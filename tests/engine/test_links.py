"""A link answers for one incident, one contact and one purpose, and not after a restore."""

from engine.links import Links


def test_a_link_is_good_for_just_what_it_was_made_for():
    links = Links("a secret", "https://tocsin.example")
    signature = links.signature("answer", "INC-7", "ana")
    assert links.is_signed("answer", "INC-7", "ana", signature)
    assert not links.is_signed("read", "INC-7", "ana", signature)
    assert not links.is_signed("answer", "INC-8", "ana", signature)
    assert not links.is_signed("answer", "INC-7", "bob", signature)
    assert not Links("another secret", None).is_signed("answer", "INC-7", "ana", signature)


def test_a_link_from_before_a_restore_never_answers_for_what_is_there_now():
    before, after = Links("a secret", None, epoch=1), Links("a secret", None, epoch=2)
    assert not after.is_signed("answer", "INC-7", "ana", before.signature("answer", "INC-7", "ana"))
    assert before.path("INC-7", "ana") != after.path("INC-7", "ana")
