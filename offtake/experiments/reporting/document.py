"""The page of a report: plain HTML with everything in it, readable on a phone, printed without scripts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from string import Template

from offtake.experiments import look
from offtake.experiments.reporting.pictures import Picture

# Nothing may be fetched and nothing may run: the page is text, tables and pictures in itself.
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="offtake $version">
<title>$title</title>
<style>
body { margin: 0 auto; max-width: ${width}px; padding: 12px 16px 48px; color: $ink; background: $paper;
  font: 16px/1.55 $font; }
h1 { font-size: 1.6em; line-height: 1.25; margin: .4em 0 .2em; }
h2 { font-size: 1.25em; margin: 2em 0 .5em; border-top: 1px solid $grid; padding-top: 1em; }
h3 { font-size: 1.05em; margin: 1.6em 0 .4em; }
.lead { font-size: 1.08em; }
.quiet, figcaption, .note { color: $quiet; font-size: .88em; }
nav a { margin-right: 1em; white-space: nowrap; }
a { color: $link; }
figure { margin: 1em 0 1.6em; }
figure img { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86em; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid $grid; }
th { font-weight: 600; }
td.n, th.n { text-align: right; white-space: nowrap; }
pre { overflow-x: auto; font-size: .8em; line-height: 1.4; background: $ground; padding: 12px; }
li { margin: .3em 0; }
@media screen and (max-width: 640px) { figure img { width: 780px; max-width: none; } }
@media print {
  body { max-width: none; font-size: 10.5pt; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; } h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  figure img { max-height: 23cm; width: auto; max-width: 100%; }
  .scroll { overflow: visible; }
  pre { white-space: pre-wrap; background: none; padding: 0; }
}
@page { margin: 1.6cm; }
</style>
</head>
<body>
<header>
$header
<nav aria-label="Parts of the report">$links</nav>
</header>
<main>
$body
</main>
</body>
</html>
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a report."""

    key: str
    heading: str
    parts: Sequence[str]
    """HTML."""


@dataclass(slots=True, kw_only=True)
class Document:
    """A report in the making."""

    title: str
    header: Sequence[str]
    version: str
    sections: list[Section] = field(default_factory=list)

    def add(self, key: str, heading: str, parts: Sequence[str]) -> None:
        """Add a section, unless it is empty."""
        if parts:
            self.sections.append(Section(key=key, heading=heading, parts=parts))

    def html(self) -> str:
        """Return the page."""
        links = " ".join(f'<a href="#{s.key}">{escape(s.heading)}</a>' for s in self.sections)
        body = "\n".join(_section(section) for section in self.sections)
        return PAGE.substitute(
            title=escape(self.title),
            version=escape(self.version),
            width=look.SHEET_PX + 32,
            ink=look.INK,
            paper=look.PAPER,
            quiet=look.QUIET.text,
            grid=look.GRID,
            ground="#F6F8FA",
            link=look.PALETTE[0].text,
            font=look.FONT,
            header="\n".join(self.header),
            links=links,
            body=body,
        )


def _section(section: Section) -> str:
    inner = "\n".join(section.parts)
    return f'<section id="{section.key}">\n<h2>{escape(section.heading)}</h2>\n{inner}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def figure(picture: Picture) -> str:
    """Return a picture with its text alternative, which also stands under it."""
    said = escape(picture.alternative, quote=True)
    return (
        f'<figure><div class="scroll"><img src="{picture.source}" alt="{said}"></div>'
        f"<figcaption>{said}</figcaption></figure>"
    )


def listing(lines: Iterable[str]) -> str:
    """Return a list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Return a table that scrolls on a narrow screen; `numbers` are the columns set to the right."""
    right = set(numbers)

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="n">{escape(text)}</{tag}>'
            if at in right
            else f"<{tag}>{escape(text)}</{tag}>"
            for at, text in enumerate(row)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells("th", head)}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def preformatted(text: str) -> str:
    """Return text as it stands."""
    return f"<pre>{escape(text)}</pre>"
