# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""Sphinx makes HTML and manual pages of the Markdown files of the tree, which
is its source folder: `make docs' and `make man-pages'.

The table of contents are the links of each README.md, so a page that no
README.md links is a warning.  Each file Documentation/man/NAME.SECTION.md is a
manual page; its first line is "# NAME: summary".  Three directives are ours:
"section" repeats a section of another page, "options" prints the options of a
program from its parser, and "pages" lists the manual pages.
"""

import importlib.machinery
import importlib.util
import pathlib
import posixpath
import re
import sys

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.writers.manpage import ManualPageTranslator

TOP = pathlib.Path(__file__).resolve().parent.parent
MAN = "Documentation/man"

project = "vnetenc"
author = "the vnetenc authors"
copyright = "2026 " + author
version = release = re.search(r"AC_INIT\(\[vnetenc\], \[([^]]*)\]\)",
                              (TOP / "configure.ac").read_text())[1]

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "Documentation/**.md", "datapath-ext/README.md",
                    "ovn-northd-ext/README.md"]
exclude_patterns = ["_*"]
myst_heading_anchors = 4
highlight_language = "none"
# They would make a dash of the two hyphens of an option.
smartquotes = False

html_title = "vnetenc"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"page_width": "80em", "body_max_width": "none",
                      "sidebar_width": "17em",
                      "description": "encrypted virtual networks"}
html_static_path = ["conf.css"]
html_css_files = ["conf.css"]


def title(page):
    """(NAME, SECTION, summary) of a manual page."""
    name, section = page.stem.rsplit(".", 1)
    first = page.read_text().split("\n", 1)[0]
    if not first.startswith(f"# {name}: "):
        raise ValueError(f"{page}: the first line must be '# {name}: summary'")
    return name, section, first.partition(": ")[2]


pages = {f"{MAN}/{page.stem}": title(page)
         for page in sorted((TOP / MAN).glob("*.md"))}
man_pages = [(document, name, summary, [], section)
             for document, (name, section, summary) in pages.items()]


def add_contents(_app, document, source):
    """Appends the table of contents to a README.md: the pages below its folder
    that it links, the first README.md's by the rows of its map."""
    folder, name = posixpath.split(document)
    if name != "README":
        return
    entries = {}
    for line in source[0].splitlines():
        row = re.match(r"\| (\w+) \|.*\]\(", line)
        if document == root_doc and not row:
            continue
        for link in re.findall(r"\]\(([^)#:]+)\.md[)#]", line):
            link = posixpath.normpath(posixpath.join(folder, link))
            if link.startswith(MAN):
                entries.update((f"{n}({s}) </{page}>", "manual pages")
                               for page, (n, s, _) in pages.items())
            elif link != document and not posixpath.relpath(
                    link, folder or ".").startswith(".."):
                entries[f"/{link}"] = row[1] if row else ""
    for caption in dict.fromkeys(entries.values()):
        source[0] += "\n".join([
            "\n```{toctree}", ":hidden:",
            *([f":caption: {caption.capitalize()}"] if caption else []), "",
            *(e for e, c in entries.items() if c == caption), "```\n"])


def parse(directive, text, source):
    """What a text in Markdown says."""
    parent = nodes.container()
    directive.state.nested_parse(StringList(text.splitlines(), source), 0,
                                 parent)
    return parent.children


class Section(Directive):
    """The section of a page, named by its file and its heading, whose links
    are followed from here."""

    required_arguments = 2
    final_argument_whitespace = True

    def run(self):
        env = self.state.document.settings.env
        name, heading = self.arguments
        page = pathlib.Path(env.doc2path(env.docname)).parent / name
        found = re.search(rf"^(#+) {re.escape(heading)}\n(.*)",
                          page.read_text(), re.M | re.S)
        if not found:
            raise self.error(f"{name} has no section '{heading}'")
        text = re.split(r"^#{1,%d} " % len(found[1]), found[2],
                        flags=re.M)[0]
        folder = posixpath.dirname(name)
        text = re.sub(r"\]\((?![a-z]+:)([^)#]*)", lambda m: "](" + (
            posixpath.join(folder, m[1]) if m[1] else name), text)
        return parse(self, text, str(page))


class Options(Directive):
    """The options of the program that is the argument, from its function
    make_parser()."""

    required_arguments = 1

    def run(self):
        program = TOP / "utilities" / self.arguments[0]
        loader = importlib.machinery.SourceFileLoader(
            program.name.replace("-", "_"), str(program))
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader(loader.name, loader))
        sys.dont_write_bytecode = True
        loader.exec_module(module)
        parser = module.make_parser()
        return [nodes.option_list("", *(
            self.item(parser, action) for action in parser._actions))]

    @staticmethod
    def item(parser, action):
        group = nodes.option_group()
        for text in action.option_strings or [action.metavar or action.dest]:
            option = nodes.option("", nodes.option_string(text, text))
            if action.option_strings and action.nargs != 0:
                value = action.metavar or "{" + ",".join(action.choices) + "}"
                option += nodes.option_argument(
                    value, value,
                    delimiter="=" if text.startswith("--") else " ")
            group += option
        text = " ".join((action.help or "").split()) % {
            **vars(action), "prog": parser.prog}
        return nodes.option_list_item(
            "", group, nodes.description("", nodes.paragraph(text, text)))


class Pages(Directive):
    """A list of the manual pages but the one that it is in."""

    def run(self):
        here = self.state.document.settings.env.docname
        lines = [f"- [`{name}`({section})]({name}.{section}.md): {summary}"
                 for page, (name, section, summary) in pages.items()
                 if page != here]
        return parse(self, "\n".join(lines), here)


class Translator(ManualPageTranslator):
    """Breaks no name of an option or a counter into two lines."""

    def header(self):
        return super().header() + ".nh\n.ad l\n"


def unfold_tables(app, tree, _document):
    """Makes lists of the tables of manual pages, for narrow terminals."""
    if app.builder.name != "man":
        return
    for table in list(tree.findall(nodes.table)):
        heads, *rows = ([list(entry.children) for entry in row]
                        for row in table.findall(nodes.row))
        items = []
        for term, *cells in rows:
            body = [cells[0]]
            for head, cell in zip(heads[2:], cells[1:]):
                if cell and cell[0].astext():
                    cell[0].insert(0, nodes.Text(head[0].astext() + ": "))
                    body.append(cell)
            items.append(nodes.definition_list_item(
                "", nodes.term("", "", *term[0].children),
                nodes.definition("", *sum(body, []))))
        table.replace_self([nodes.paragraph("", "", nodes.strong(
            "", heads[0][0].astext())), nodes.definition_list("", *items)])


def setup(app):
    app.connect("source-read", add_contents)
    app.connect("doctree-resolved", unfold_tables)
    app.add_directive("section", Section)
    app.add_directive("options", Options)
    app.add_directive("pages", Pages)
    app.set_translator("man", Translator)
    return {"parallel_read_safe": True}
