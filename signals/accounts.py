"""Whose account wrote: ours, or one that is like ours and is none. Pure.

Letters that look alike are made the same first (a Cyrillic a, 0/o, 1/l, rn/m), and what separates them is left out.
What is then one of our accounts or names, or one slip away from one, or has words of service before or after it
(`northwind-support`, `real_northwind`), is like ours. Our own handle without its server is neither ours nor like ours:
nobody can tell whose it is.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from signals.edits import one_edit
from signals.listening import Brand
from signals.phrases import Phrases
from signals.words import fold

_LONGEST_HANDLE = 100
_SHORTEST_BASE = 5
_MOST_ADDED = 3
_HANDLES_IN_TEXT = 50
_NAMED = re.compile(r"@([\w.\-]+(?:@[\w.\-]+)?)|\bu/([\w\-]+)")
_SEPARATORS = re.compile(r"[\W_]+")

# Written as code points: on the screen they cannot be told from what they look like, which is the point.
_CYRILLIC = (
    "\u0430\u0432\u0441\u0501\u0435\u0451\u04bb\u0456\u0457\u0458\u043a\u04cf\u043c\u043d\u043e\u0440"
    "\u051b\u0455\u0442\u0443\u0475\u051d\u0445\u0433\u043f\u0437\u044c",
    "abcdeehlljklmhopqstyvwxrneb",
)
_GREEK = (
    "\u03b1\u03b2\u03b5\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c3\u03c4\u03c5\u03c7\u03c9\u03b3",
    "abenlkuvopotuxwy",
)
_LATIN = (
    "\u0131\u0269\u0251\u0261\u0142\u00f8\u0111\u0127\u0167\u0280\u0274",
    "llaglodhtrn",
)
_SIGNS = ("01345789$!|i", "oleastbgslll")
_LOOKS_LIKE = {
    ord(seen): like for pair in (_CYRILLIC, _GREEK, _LATIN, _SIGNS) for seen, like in zip(*pair, strict=True)
}


_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))

_ADDED = """
    support supports help helps helpdesk care cares customer customers customercare customerservice service services
    official officlal real the team hq desk assist assistance info contact refund refunds claims claim complaints
    complaint billing security verify verified recovery solutions online app web global group us usa uk es mx ar cl co
    eu en inc ltd llc sa bank pay shop store
    soporte ayuda oficial real atencion atencionalcliente cliente clientes contacto servicio reclamaciones reclamos
    devoluciones reembolsos equipo seguridad verificado tienda banco pagos espana mexico argentina
"""
"""What is put before or after our name to look like us, folded."""

_SPEAKS_AS_US = Phrases(
    (phrase, True)
    for phrase in (
        # en
        "dm us", "message us", "write to us", "contact us", "call us", "email us", "whatsapp us", "text us", "reach us",
        "send us", "inbox us", "our team", "our support", "our agents", "our agent", "our customer*", "our help*",
        "our official*", "our care", "our service", "our staff", "our records", "we apologi*", "we are sorry",
        "we re sorry", "were sorry for", "we regret", "we can help", "we will help", "we ll help", "how can we help",
        "how may we help", "we are here to help", "we have noticed", "we noticed", "we have detected", "we detected",
        "we are giving away", "we re giving away", "official support", "official account", "official giveaway",
        "official statement", "customer support", "customer service", "verify your*", "confirm your*", "validate your*",
        "claim your*", "get your refund", "your refund", "your account", "your wallet", "click here", "click the link",
        "click on the link", "click this link", "fill in the form", "fill out the form", "link below", "link in bio",
        "dear customer*", "valued customer*",
        # es
        "escribenos", "contactanos", "contactenos", "llamanos", "mandanos", "envianos", "envienos", "escribanos",
        "nuestro equipo", "nuestros agentes", "nuestro soporte", "nuestro servicio", "nuestros clientes",
        "nuestra cuenta oficial", "lamentamos", "sentimos las molestias", "sentimos lo ocurrido", "pedimos disculpas",
        "te ayudamos", "le ayudamos", "podemos ayudarte", "podemos ayudarle", "estamos aqui para ayudar*",
        "hemos detectado", "hemos notado", "soporte oficial", "cuenta oficial", "comunicado oficial", "sorteo oficial",
        "sorteamos", "regalamos", "atencion al cliente", "verifica tu*", "verifique su*", "confirma tu*",
        "confirme su*", "valida tu*", "reclama tu*", "solicita tu*", "tu reembolso", "su reembolso", "tu cuenta",
        "su cuenta", "haz clic", "haga clic", "pincha en*", "enlace de abajo", "enlace en la bio",
        "rellena el formulario",
        "complete el formulario", "estimado cliente", "estimada clienta", "querido cliente", "por mensaje privado",
        "por md", "por dm",
    )
)  # fmt: skip


def canonical(handle: str) -> str:
    """A handle as it is compared with ours: without @, u/, blanks and case. Nothing else is made the same."""
    bare = handle[:_LONGEST_HANDLE].strip().casefold()
    for prefix in ("/u/", "u/", "@"):
        bare = bare.removeprefix(prefix)
    return bare.rstrip("/")


def skeleton(text: str) -> str:
    """What a reader in a hurry sees: letters that look alike are the same one, separators are gone."""
    seen = fold(unicodedata.normalize("NFKC", text[:_LONGEST_HANDLE])).translate(_LOOKS_LIKE)
    seen = _SEPARATORS.sub("", seen)
    for pair, one in _PAIRS:
        seen = seen.replace(pair, one)
    return seen


_ADDED_SKELETONS = frozenset(skeleton(word) for word in _ADDED.split())
_ADDED_LENGTHS = tuple(sorted({len(word) for word in _ADDED_SKELETONS}, reverse=True))


class Accounts:
    """The accounts of all brands. Never changes once built."""

    def __init__(self, brands: Iterable[Brand]) -> None:
        self._ours: dict[str, str] = {}
        self._bare: set[str] = set()
        self._bases: dict[str, set[str]] = {}
        for brand in brands:
            for account in brand.accounts:
                handle = canonical(account)
                self._ours.setdefault(handle, brand.id)
                self._bare.add(local_part(handle))
                self._add_base(skeleton(local_part(handle)), brand.id)
                self._add_base(skeleton(handle), brand.id)
            for name in brand.names:
                self._add_base(skeleton(name), brand.id)

    def _add_base(self, base: str, brand: str) -> None:
        if len(base) >= _SHORTEST_BASE and not _is_added(base):
            self._bases.setdefault(base, set()).add(brand)

    def owner(self, handles: Iterable[str]) -> str | None:
        """The brand whose own account one of these handles is."""
        return next((self._ours[each] for each in map(canonical, handles) if each in self._ours), None)

    def named_in(self, text: str) -> Iterator[str]:
        """The brands whose accounts stand in a text, as `@care.example.com` or `u/care`."""
        if "@" not in text and "u/" not in text:
            return
        for number, found in enumerate(_NAMED.finditer(text)):
            if number == _HANDLES_IN_TEXT:
                return
            brand = self._ours.get(canonical((found.group(1) or found.group(2)).rstrip(".-")))
            if brand is not None:
                yield brand

    def like(self, handles: Iterable[str]) -> frozenset[str]:
        """The brands that one of these handles is like without being theirs."""
        found: set[str] = set()
        for handle in map(canonical, handles):
            if not handle or handle in self._ours or handle in self._bare:
                continue
            for form in _forms(handle):
                found |= self._like(form)
        return frozenset(found)

    def _like(self, form: str) -> set[str]:
        found: set[str] = set()
        for rest in (form, *_without_added(form, _MOST_ADDED)):
            found |= self._bases.get(rest, set())
            for base, brands in self._bases.items():
                if one_edit(base, rest):
                    found |= brands
        return found


def local_part(handle: str) -> str:
    """Of `care@social.example` and `care.bsky.social` it is `care`; else the handle itself."""
    return handle.split("@", 1)[0].removesuffix(".bsky.social")


def speaks_as_us(words: Sequence[str]) -> bool:
    """Whether a text offers help, asks for a message or for data, or apologises, as only we should."""
    return next(_SPEAKS_AS_US.values_in(words), False)


def _forms(handle: str) -> set[str]:
    """The parts of a handle that a reader takes for the name, as skeletons."""
    local = local_part(handle)
    parts = {handle, local}
    if "." in local:
        parts |= {local.rsplit(".", 1)[0], *local.split(".")[:4]}
    return {seen for seen in map(skeleton, parts) if len(seen) >= _SHORTEST_BASE - 1}


def _is_added(base: str) -> bool:
    return base in _ADDED_SKELETONS or any(rest in _ADDED_SKELETONS for rest in _without_added(base, _MOST_ADDED))


def _without_added(form: str, depth: int) -> set[str]:
    """The form without up to so many added words, and without digits at its end."""
    found: set[str] = set()
    for length in _ADDED_LENGTHS:
        if length < len(form):
            if form[:length] in _ADDED_SKELETONS:
                found.add(form[length:])
            if form[-length:] in _ADDED_SKELETONS:
                found.add(form[:-length])
    if depth > 1:
        for rest in tuple(found):
            found |= _without_added(rest, depth - 1)
    return found
