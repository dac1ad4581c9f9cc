"""Words that decide where a sentence ends and whether a phrase is fit for a mined question."""


# plain text stays readable and sortable where a list of 60 quoted words does not
def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PRONOUNS = _set(
    "i you he she it we they this that these those there here which who whom whose what its their "
    "our his her such each both all some many most several none neither either another other "
    "others them us"
)
# clauses, not noun phrases, hold these
CLAUSE_WORDS = _set(
    "is are was were be been being am has have had do does did can could may might must shall "
    "should will would which who whom whose where when while that whether because although though "
    "since unless however but whereas if than not no this these those our their its we they it "
    "such respectively your you often requires improves increases decreases reduces leads leading "
    "causes occurs appears remains becomes suggests shows provides depends plays varies"
)
# these speak of the paper itself, not of the world
STUDY_WORDS = _set(
    "study studies trial group groups cohort arm arms sample samples analysis analyses present aim "
    "aims purpose objective goal hypothesis question paper article review report survey"
)
VAGUE_NOUNS = _set(
    "majority number rest remainder total proportion percentage half use presence absence lack "
    "need ability result results finding findings limitation limitations strength conclusion "
    "case same latter former"
)
VAGUE_SUBJECTS = _set(
    "patients patient participants children adults women men cases case subjects controls control "
    "disease diseases treatment therapy condition data method model people individuals one"
)
# no thing begins with these: "less frequent than", "due to"
DESCRIPTIONS = _set(
    "unclear unknown uncertain higher lower better worse important controversial limited variable "
    "difficult similar different essential crucial critical necessary possible feasible mandatory "
    "debated multifactorial challenging more less very well likely unlikely associated related due "
    "based dependent comparable equal greater smaller larger rising growing declining lacking "
    "missing second last called termed named known suboptimal too so quite rather"
)
# these begin a thing ("high fever", "positive ANA") but are none alone or before a preposition
ADJECTIVES = _set(
    "high low common rare poor good safe effective useful reliable complex heterogeneous strong "
    "weak large small great fair positive negative significant independent stable optimal normal "
    "abnormal present absent one key available increasing decreasing emerging first sufficient "
    "insufficient consistent valid acceptable favourable favorable excellent superior inferior"
)
ADVERBS = _set("sometimes often usually also then even only once now today always never")
PREPOSITIONS = _set(
    "in on at of to for from by with as during among between after before under over within "
    "without about up through into against"
)
# in the passive form these tell of the paper or wait for a verb
PASSIVE_NOT = _set(
    "compared expected reported followed supported designed performed published presented "
    "discussed described supposed intended allowed advised asked continued conducted referred "
    "included excluded randomised randomized assigned allocated recruited enrolled obtained "
    "collected"
)
PASSIVE_TO = _set("linked related attributed restricted confined directed bound")
# a full stop after these never ends a sentence
ABBREVIATIONS = _set(
    "e.g i.e vs cf al approx dr mr mrs ms prof st spp sp subsp "
    "var ca resp etc viz incl max min dept inc ltd jr sr u.s u.k"
)
# these do only before a number: "Fig. 2"
NUMBERED = _set("fig figs eq ref refs no nos vol pp p ch chap sect tab")
# a single capital after these is a name and its full stop may end the sentence: "hepatitis C."
LETTERED = _set(
    "vitamin hepatitis type group class stage grade factor complement influenza immunoglobulin "
    "protein interleukin interferon cyclosporin cyclosporine phase arm category "
    "hemophilia haemophilia antistreptolysin streptolysin"
)
# words that begin a sentence and follow no initial
STARTERS = _set(
    "The A An In It Its We Our This These Those That There They However Thus Therefore Overall "
    "Patients Both All Each No Results Conclusion Conclusions Methods Further After Among As At By "
    "For From If On Since To When While With Although Because But And"
)
# these carry no content: the share of an answer's words that a paper holds leaves them aside
FUNCTION_WORDS = _set(
    "the and but nor for yet with from into onto upon over under between among during after before "
    "about against through without within are was were been being has have had does did can could "
    "may might must shall should will would not this that these those there here which who whom "
    "whose what when where while because although though since unless however than then thus "
    "therefore its their our his her such each both all any some many most more less few very also "
    "only other another same own they them you your"
)
# what every record is tagged with, or how it was done: no key terms of a paper
TAGS = frozenset(
    (
        *("humans", "human", "animals", "animal", "male", "female", "men", "women", "adult"),
        *("adults", "adolescent", "adolescents", "aged", "child", "children", "infant", "patients"),
        *("young adult", "middle aged", "retrospective studies", "retrospective study"),
        *("prospective studies", "prospective study", "cohort studies", "cohort study"),
        *("follow-up studies", "case-control studies", "cross-sectional studies", "pilot projects"),
        *("questionnaires", "surveys and questionnaires", "multivariate analysis", "risk factors"),
        *("logistic models", "regression analysis", "time factors", "treatment outcome"),
        *("odds ratio", "confidence intervals", "area under curve", "roc curve", "chi-square test"),
        *(
            "analysis of variance",
            "statistics as topic",
            "cross-over studies",
            "double-blind method",
        ),
        *("prognosis", "incidence", "prevalence", "sensitivity and specificity", "statistics"),
    )
)
