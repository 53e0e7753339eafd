"""Where sentences begin and end. A bar in a story marks each end that is to be found."""

from __future__ import annotations

import pytest

from index.sentences import split
from index.types import Place, Segment, SegmentKind


def sentences(text: str, kind: SegmentKind = "prose") -> list[str]:
    return [text[span.start : span.end] for span in split(text, Segment(0, len(text), kind, Place()))]


@pytest.mark.parametrize(
    "story",
    [
        "Dr. Lindqvist wrote to Mr. Berg.| He never answered.",
        "Mt. Blanc is high.| Lt. Col. Brandt climbed it.",
        "He wrote to St. Peter's Church.| It burned down.",
        "T. S. Eliot came by boat.| Everyone slept.",
        "Sgt. Olsen v. the harbour was heard in 1912.| It was lost.",
        "The U.S. Navy bought two ferries.| Both sank.",
        "He moved to the U.S. in 1911.| She stayed.",
        "It sailed for the U.S.| The crew was never seen again.",
        "In Washington, D.C.| The mayor lives there.",
        "She holds a Ph.D. in history.| He does not.",
        "She holds a Ph.D.| He does not.",
        "The firm is called Brandt & Sons Inc.| It was sold in 1950.",
        "The bridge is 3.14 km long.| It cost 4.2 million.",
        "It costs $4.50.| That is a lot.",
        "Section 4.2.1 applies.| Section 5 does not.",
        "See Fig. 3 for the plan.| The scale is in metres.",
        "See pp. 12-14 and vol. 3.| They differ.",
        "It opened on Jan. 5 and closed in Dec. 1950.| Few came.",
        "They met at 5 p.m. on Monday.| It rained.",
        "The ferry leaves at 9 a.m.| The bus does not wait.",
        "No. 7 was painted red.| No. 8 was not.",
        "Was it you?| No.| It was the wind.",
        "Bring rope, sails, etc. and a lamp.| Nothing else.",
        "Bring rope, sails, etc.| Nothing else is needed.",
        "The ship, i.e. the ferry, e.g. Aurora, sank.| All lived.",
        "Ropes are made of hemp.| A new rope is stretched for a week.| Wool comes next.",
        "She read the story aloud.| The hall was full.| They rose to their feet in the 19th century.| Then came dusk.",
        "He sold the book.| Everyone in the hall sat on their knees.| It was found.| He was not.",
        "It is a breach of art. 19 of the rules.| It was fined.",
        '"Is it open?" she asked.| Nobody knew.',
        '"It is closed."| He left.',
        'He said "Stop." and left.| She stayed.',
        "It ends with a quote.”| Then more.",
        "He waited ... and waited.| Then he went.",
        "The end . . . or not.| Go on.",
        "Nothing came…| Then the bell rang.",
        "Wait!!!| Really?!| Yes.",
        "The file is notes.v2.txt and the site www.harbour.example.| Both are gone.",
        "1. Untie the rope.| 2. Push off.",
        "The first line of a\nwrapped sentence.| The second one.",
        "She came with Prof.\nIlse Brandt.| He came alone.",
        "Le port a été ouvert en 1911.| Il est profond !| Qui l'a payé ?",
        "El puerto se abrió en 1911.| ¿Quién lo pagó?| ¡Nadie!",
        "Порт открыли в 1911 году.| Маяк построили позже.",
        "港は1911年に開かれた。|「深い。」|灯台は？！|はい",
    ],
)
def test_a_story_falls_into_its_sentences(story: str) -> None:
    assert sentences(story.replace("|", "")) == [part.strip() for part in story.split("|")]


@pytest.mark.parametrize("kind", ["row", "heading", "furniture"])
def test_a_line_of_its_own_is_one_sentence_whatever_stands_in_it(kind: SegmentKind) -> None:
    assert sentences("Ferries. Rates. 1911", kind) == ["Ferries. Rates. 1911"]


def test_a_list_item_holds_sentences() -> None:
    assert sentences("Untie the rope. Push off.", "item") == ["Untie the rope.", "Push off."]


def test_spans_count_from_the_start_of_the_document() -> None:
    text = "A heading\n\nShips came. 🚢 sank."
    (first, second) = split(text, Segment(11, len(text), "prose", Place()))
    assert (first.start, first.end) == (11, 22)
    assert text[second.start : second.end] == "🚢 sank."


@pytest.mark.parametrize("blank", ["", "   ", "\n\n"])
def test_blank_text_holds_no_sentence(blank: str) -> None:
    assert sentences(blank) == []
