"""The public headers as data: what they declare, and the comments on it.

No parser of C, but one of how the headers of this tree are written: comments
that begin with two stars stand directly before what they are about, functions
begin with FLO_EXTERN, and clang-format has seen it all. What it cannot read
it refuses (Error), so that nothing is left out in silence.

A declaration that follows another without an empty line and has no comment of
its own shares the other's: they are one entry, and one page. Names that begin
with flo__ are not public. Of two branches for C and C++ that for C counts.
"""
import re
from pathlib import Path

# What the linker and the compiler are told, and no reader needs.
ATTRIBUTES = r'FLO_EXTERN\b|FLO_PRINTF\([^)]*\)|FLO_NORETURN|FLO_MUST_CHECK'


class Error(Exception):
    """A header is not written as this file can read."""


class Member:
    """A field of a struct, or a value of an enum."""

    def __init__(self, text, doc):
        self.text = one_line(text)
        self.doc = doc
        name = re.search(r'\(\*(\w+)\)|(\w+)(?: ?\[\w*\]| = .*|\(\w+\))?$',
                         self.text)
        self.name = name.group(1) or name.group(2)


class Decl:
    """One declaration: of a function, type, callback, constant or macro."""

    def __init__(self, kind, name, text, line, doc):
        self.kind = kind
        self.name = name
        self.text = text  # as one writes it, without attributes and comments
        self.line = line
        self.doc = doc  # None: it shares that of the one before it
        self.members = []
        self.opaque = False  # its fields are no business of the caller's

    def result(self):
        """The type that a function returns."""
        return self.text[:self.text.index(self.name + '(')].strip()

    def params(self):
        """The text between the parentheses of a function."""
        return self.text[self.text.index(self.name + '(') + len(self.name):]

    def label(self):
        """The name as prose has it."""
        return self.name + ('()' if self.kind == 'function' else '')


class Entry:
    """A comment, and the declarations that it is about."""

    def __init__(self, doc, line):
        self.doc = doc
        self.line = line
        self.decls = []


class Header:
    """A header: its top comment and its entries, in their order."""

    def __init__(self, path):
        self.path = path
        self.name = path.name  # chan.h
        self.doc = None
        self.entries = []
        scan(self, path.read_text(encoding='utf-8'))

    def decls(self):
        return [d for entry in self.entries for d in entry.decls]


def load(paths):
    """Read headers, in the order of their names."""
    return [Header(p) for p in sorted(Path(p) for p in paths)]


def one_line(text):
    return re.sub(r'\s+', ' ', text).strip()


def comment_text(comment):
    """The lines of a comment without its stars."""
    body = re.sub(r'^/\*+|\*/$', '', comment)
    lines = [re.sub(r'^\s*\* ?', '', line) for line in body.split('\n')]
    return '\n'.join(line.rstrip() for line in lines).strip('\n').strip(' ')


def without_comments(text):
    return re.sub(r'/\*.*?\*/', '', text, flags=re.S)


def one_branch(text):
    """Blank the directives, and branches that are for others than C."""
    out = []
    keep = [True]
    in_define = False
    for line in text.split('\n'):
        word = line.split()[0] if line.split() else ''
        directive = not in_define and word.startswith('#')
        if word in ('#ifdef', '#ifndef', '#if') and directive:
            keep.append(word != '#ifdef')  # of __cplusplus, here
        elif word == '#else' and directive:
            keep[-1] = not keep[-1]
        elif word == '#endif' and directive:
            keep.pop()
        define = directive and word == '#define' and not re.match(
            r'#define \w+_H$', line)
        if not all(keep) or directive and not define:
            line = ''
        in_define = (define or in_define) and line.endswith('\\')
        out.append(line)
    return '\n'.join(out)


def skip_comment(text, at):
    end = text.find('*/', at)
    if end < 0:
        raise Error('a comment does not end')
    return end + 2


def end_of_declaration(text, at):
    """The place after the semicolon that ends the declaration at @at."""
    depth = 0
    while at < len(text):
        if text.startswith('/*', at):
            at = skip_comment(text, at)
            continue
        depth += {'{': 1, '(': 1, '}': -1, ')': -1}.get(text[at], 0)
        at += 1
        if depth == 0 and text[at - 1] == ';':
            return at
    raise Error('a declaration does not end')


def end_of_define(text, at):
    end = text.find('\n', at)
    while end > 0 and text[end - 1] == '\\':
        end = text.find('\n', end + 1)
    return len(text) if end < 0 else end


def scan(header, text):
    """Fill @header from @text."""
    text = one_branch(text)
    doc = None
    at = 0
    while True:
        gap = re.compile(r'\s*').match(text, at)
        close = gap.group().count('\n') < 2
        at = gap.end()
        if doc and (not close or at == len(text)):
            add_loose(header, doc)
            doc = None
        if at == len(text):
            break
        line = text.count('\n', 0, at) + 1
        begin = at
        if text.startswith('/*', at):
            if doc:
                raise Error(f'{header.path}:{line}: two comments on one thing')
            at = skip_comment(text, at)
            if text.startswith('/**', begin):
                doc = comment_text(text[begin:at]), line
            continue
        define = text.startswith('#define', at)
        try:
            at = (end_of_define if define else end_of_declaration)(text, at)
        except Error as error:
            raise Error(f'{header.path}:{line}: {error}') from None
        read = read_macro if define else read_declaration
        decl = read(header, text[begin:at], line)
        if decl:
            add(header, decl, doc, close)
        doc = None


def add_loose(header, doc):
    """Take a comment that nothing follows: only a header's first may be."""
    if header.doc is not None or header.entries:
        raise Error(f'{header.path}:{doc[1]}: a comment on nothing')
    header.doc = doc[0]


def add(header, decl, doc, close):
    if doc or not header.entries or not close:
        header.entries.append(Entry(doc and doc[0], decl.line))
    decl.doc = doc and doc[0]
    header.entries[-1].decls.append(decl)


def read_macro(header, text, line):
    name = re.match(r'#define\s+(\w+(?:\([^)]*\))?)', text).group(1)
    if name.startswith('FLO__') or not name.startswith('FLO_'):
        return None
    decl = Decl('macro', name.split('(')[0], '#define ' + name, line, None)
    value = text[text.index(name) + len(name):].strip()
    if re.fullmatch(r'[-\w"]+', value):
        decl.text += ' ' + value
    decl.members = [Member('FLO_' + m.group(1), m.group(2))
                    for m in re.finditer(r'\bX\((\w+), "([^"]*)"\)', value)]
    return decl


def read_declaration(header, text, line):
    where = f'{header.path}:{line}: '
    plain = one_line(re.sub(ATTRIBUTES, '', without_comments(text)))
    plain = re.sub(r'\s+;$', ';', plain)
    if text.startswith('FLO_EXTERN'):
        name = re.match(r'[^(]*?(flo_\w+) ?\(', plain)
        if not name:
            raise Error(where + 'no function: ' + plain)
        plain = plain.replace(name.group(1) + ' (', name.group(1) + '(', 1)
        return Decl('function', name.group(1), plain, line, None)
    if re.fullmatch(r'struct \w+;', plain):
        return None  # declared, not defined: another header does that
    body = re.match(r'(typedef )?(struct|enum)\s*(\w+)?\s*\{', plain)
    if body:
        return read_body(header, text, line, body.group(2), body.group(3))
    name = re.fullmatch(r'typedef (?:.*\(\*(\w+)\)\(.*\)|.*?(\w+));', plain)
    if not name:
        raise Error(where + 'cannot read: ' + plain)
    kind = 'callback' if name.group(1) else 'type'
    return Decl(kind, name.group(1) or name.group(2), plain, line, None)


def read_body(header, text, line, kind, name):
    if name and name.startswith('flo__'):
        return None
    begin, end = text.index('{'), text.rindex('}')
    decl = Decl(kind, name or '', '', line, None)
    inner = text[begin + 1:end]
    decl.members = split_members(re.sub(r'(?m)^#.*$', '', inner),
                                 ';' if kind == 'struct' else ',')
    decl.opaque = any('flo__' in m.text for m in decl.members)
    if decl.opaque:
        decl.members = []
    for member in decl.members:
        if '(' in member.text and kind == 'enum':
            decl.members = statuses(header, member.text)
    if not name:  # constants without a type: named for the first
        decl.name = decl.members[0].name
    decl.text = definition(text[:begin], decl, text[end:])
    return decl


def statuses(header, text):
    """The values that an enum has from a list of X(NAME, "words")."""
    name = text.split('(')[0]
    for decl in header.decls():
        if decl.name == name:
            return decl.members
    raise Error(f'{header.path}: an enum of {name}, which is not above it')


def definition(head, decl, tail):
    """A struct or enum as a synopsis has it, without comments."""
    mark = ';' if decl.kind == 'struct' else ','
    lines = []
    for member in decl.members:
        text = member.text + mark
        nested = re.fullmatch(r'(union \{) (.*;) (\} \w+;)', text)
        if nested:
            lines += ['    ' + nested[1]]
            lines += ['        ' + m + ';' for m in nested[2][:-1].split('; ')]
            text = nested[3]
        lines.append('    ' + text)
    if decl.opaque:
        lines = ['    /* opaque */']
    return '\n'.join([one_line(head) + ' {'] + lines +
                     [one_line(tail).replace(' ;', ';')])


def split_members(body, mark):
    """Cut @body at each @mark; comments go to the member they stand by."""
    members = []
    doc = None
    text = ''
    depth = at = 0
    while at < len(body):
        if body.startswith('/*', at):
            end = skip_comment(body, at)
            comment = comment_text(body[at:end])
            if not text.strip() and members and '\n' not in text:
                members[-1].doc = comment
            elif depth == 0:
                doc = comment
            at = end
            continue
        depth += {'{': 1, '(': 1, '}': -1, ')': -1}.get(body[at], 0)
        if body[at] == mark and depth == 0:
            members.append(Member(text, doc))
            text, doc = '', None
        else:
            text += body[at]
        at += 1
    if text.strip():
        members.append(Member(text, doc))
    return members


# What a comment says, cut into the sections of a page.

SECTIONS = {'Requires:': 'CONTRACTS', 'Returns': 'RETURN VALUE',
            'Threads:': 'THREADS'}
_cut = re.compile(r'(?:^|(?<=[.)"]) )(?=(Requires:|Returns|Threads:) )')


def sections(doc):
    """A comment as {section: [(kind, text)]}; kind: text, code, item.

    Text before the first heading is in DESCRIPTION. A sentence that begins with
    one of SECTIONS goes there, with what follows in its paragraph.
    """
    found = {'DESCRIPTION': []}
    for kind, text in blocks(doc):
        if kind == 'code':
            found['DESCRIPTION'].append((kind, text))
            continue
        places = [0] + [m.start() for m in _cut.finditer(text)
                        if m.start() > 0] + [len(text)]
        for begin, end in zip(places, places[1:]):
            part = text[begin:end].strip()
            word = part.split(' ')[0]
            section = SECTIONS.get(word, 'DESCRIPTION')
            if word in ('Requires:', 'Threads:'):
                part = part[len(word):].strip()
                part = part[:1].upper() + part[1:]
            found.setdefault(section, []).append((kind, part))
    return found


def blocks(doc):
    """The paragraphs, list items and examples of a comment, in order."""
    out = []
    for line in doc.split('\n') + ['']:
        kind = 'text'
        if re.match(r' ?(\d+\.|-) ', line):
            kind = 'new item'
        elif line.startswith('  ') and out and out[-1][0] == 'item':
            kind = 'item'
        elif re.match(r'\t|    ', line):
            kind = 'code'
        if not line:
            out.append(['end', ''])
        elif kind == 'new item':
            out.append(['item', line.strip()])
        elif kind == 'code':
            if out and out[-1][0] == 'end' and out[-2:-1] and \
                    out[-2][0] == 'code':
                out.pop()
                out[-1][1] += '\n'
            if out and out[-1][0] == 'code':
                out[-1][1] += '\n' + line[1:]
            else:
                out.append(['code', line[1:]])
        elif out and out[-1][0] in ('text', 'item') and \
                not re.match(r'(Requires:|Returns|Threads:) ', line):
            out[-1][1] += ' ' + line.strip()
        else:
            out.append([kind, line.strip()])
    return [(kind, text) for kind, text in out if kind != 'end']


def first_sentence(doc):
    """What a comment begins with, up to a full stop; maybe without one."""
    text = next((text for kind, text in blocks(doc)), '')
    end = re.search(r'(?<!e\.g|i\.e)(?<!\.\.)\.(?=\s|$)', text)
    return text[:end.end()] if end else text
