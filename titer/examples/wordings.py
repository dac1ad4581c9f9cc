"""How the recipes ask; which wording a paper gets is decided by a seeded hash.

None is written from a benchmark question: a test compares them by rule D of the contamination gate.
"""

SECTION_WORDINGS = {
    "BACKGROUND": (
        'What is the background of the study "{title}"?',
        'What led the authors to the study "{title}"?',
        'Which situation does the paper "{title}" start from?',
    ),
    "OBJECTIVE": (
        'What did the authors of "{title}" want to find out?',
        'What was the aim of the study "{title}"?',
        'State the objective of the paper "{title}".',
    ),
    "METHODS": (
        'What methods were used in the study "{title}"?',
        'How was the study "{title}" carried out?',
        'Describe how the authors of "{title}" worked.',
    ),
    "RESULTS": (
        'What did the study "{title}" find?',
        'Report the results of the study "{title}".',
        'Which observations were made in the study "{title}"?',
    ),
}
NOTE_WORDINGS = (
    'In note form: how was the study "{title}" carried out?',
    'Give the methods of the study "{title}" as notes.',
    'Note down how the authors of "{title}" worked.',
)
"""Of methods under several labels, which are no whole sentences: design, setting, patients."""

CONCLUSION_WORDINGS = (
    "What can be concluded from this study?",
    "Which conclusion do the authors of this study draw?",
    "Read the study and state what follows from it.",
)
QUESTION_WORDINGS = (
    "{title}\n\nAnswer from this study:\n\n{text}",
    "{text}\n\nGiven this study: {title}",
    "Read the study and answer its question: {title}\n\n{text}",
)
SUMMARY_WORDINGS = (
    "Summarise the message of this abstract.",
    "Put the point of the following abstract into a few sentences.",
    "What is the take-home message of this abstract?",
)
TITLE_WORDINGS = (
    "Give this abstract a title.",
    "Which title fits the following abstract?",
)
LINE_WORDING = "Sum up this abstract in one line."
"""A title answers this only if it states something."""

KEYWORD_WORDINGS = (
    "List the key terms of this abstract.",
    "Under which key terms should this abstract be filed?",
    "Pick the key terms out of the following abstract.",
)
INFERENCE_WORDINGS = (
    "What follows from this?\n\n{premise}",
    "{premise}\n\nWhat can be inferred?",
    "Draw the consequence.\n\n{premise}",
)
CLOZE_WORDINGS = (
    "{text}\n\nFill the gap in the conclusion of this study: {gapped}",
    "Read the study and give the term that is missing in its conclusion.\n\n{text}\n\n{gapped}",
    "{text}\n\nWhich term stands in the gap? {gapped}",
)

ALL = (
    *(wording for wordings in SECTION_WORDINGS.values() for wording in wordings),
    *NOTE_WORDINGS,
    *CONCLUSION_WORDINGS,
    *QUESTION_WORDINGS,
    *SUMMARY_WORDINGS,
    *TITLE_WORDINGS,
    LINE_WORDING,
    *KEYWORD_WORDINGS,
    *INFERENCE_WORDINGS,
    *CLOZE_WORDINGS,
)
"""Every wording, for the check against the benchmark."""
