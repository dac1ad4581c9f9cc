"""Articles in JATS as PubMed Central and Europe PMC serve them, with what is no running text."""

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
CC_BY = "http://creativecommons.org/licenses/by/4.0/"
REFUSAL = (
    "<!--The publisher of this article does not allow downloading of the full text in XML form.-->"
)
BODY = (
    '<sec sec-type="intro"><title>1. Introduction</title><p>Lamps are old<sup><xref '
    'ref-type="bibr" rid="b1">1</xref>,<xref ref-type="bibr" rid="b2">2</xref></sup>. Keepers '
    'cough [<xref ref-type="bibr" rid="b3">3</xref>&#8211;<xref ref-type="bibr">5</xref>].</p>'
    '</sec><sec sec-type="materials|methods"><title>Materials and methods</title>'
    "<p>We counted lamps.</p>"
    "<sec><title>Oil</title><p>The oil held 10<sup>&#8722;3</sup> g of salt and Cl<sup>-</sup>."
    "<table-wrap><label>Table 1</label><table><tr><td>cell</td></tr></table></table-wrap></p></sec>"
    "<disp-formula><tex-math>E=mc^2</tex-math></disp-formula></sec>"
    '<sec><title>Results</title><p>See <xref ref-type="fig" rid="f1">Fig. 1</xref> (<xref '
    'ref-type="bibr" rid="b1">Keeper, 1999</xref>) for the count:</p><list><list-item><p>ten</p>'
    "</list-item><list-item><p>twelve</p></list-item></list>"
    '<fig id="f1"><caption><p>A lamp.</p></caption></fig></sec>'
    "<sec><title>Competing interests</title><p>None declared.</p></sec>"
    '<sec sec-type="supplementary-material"><title>More</title><p>A file.</p></sec>'
)


def article(
    pmcid: str, *, body: str = BODY, permissions: str | None = None, id_type: str = "pmc"
) -> str:
    """An article; an empty body gives what PMC sends where the publisher allows no more."""
    if permissions is None:
        permissions = f'<license xlink:href="{CC_BY}"><license-p>Open.</license-p></license>'
    number = pmcid if id_type == "pmcid" else pmcid.removeprefix("PMC")
    inner = f"<body>{body}</body>" if body else ""
    return (
        f"<article {XLINK}>{'' if body else REFUSAL}<front><article-meta>"
        f'<article-id pub-id-type="{id_type}">{number}</article-id>'
        f"<permissions>{permissions}</permissions></article-meta></front>{inner}"
        "<back><ref-list><ref><mixed-citation>Not this.</mixed-citation></ref></ref-list></back>"
        "</article>"
    )
