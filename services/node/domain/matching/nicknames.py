"""Knows which short forms belong to which names, and is careful about it.

A nickname counts only from a full name to its own short form: "Bill" and "Will" are both short for
William, yet twins may bear them. English comes from the `nicknames` dataset, which also lists
spellings of one name as nicknames; those are left out here.
"""

from functools import cache, lru_cache

from nicknames import NickNamer
from rapidfuzz.distance import OSA

from services.node.domain.matching.word_list import words

_SPELLING_DISTANCE = 2
_SHORTEST_STEM = 3

# What families of Spanish, Cape Verdean and Haitian descent call their children, and what the
# English dataset lacks. Full name: short forms.
_FURTHER = {
    "adalberto": "beto",
    "alberto": "beto berto tito",
    "alejandra": "ale aleja jandra",
    "alejandro": "ale alejo jandro",
    "alexandre": "xandi",
    "alfredo": "fredo fredy",
    "alfonso": "poncho fonso",
    "ana": "anita",
    "anabela": "bela",
    "andrea": "andre andreita",
    "antonia": "tona toni tonia",
    "antonio": "tono toni tonio toninho tonecas",
    "armando": "mando",
    "arturo": "turo",
    "augusto": "tito",
    "beatriz": "bea betty triz bia",
    "candelaria": "cande",
    "carlos": "carlitos calin charlie carlinhos",
    "carolina": "caro carito",
    "catalina": "cata",
    "cecilia": "ceci cila",
    "clotilde": "cloti",
    "concepcion": "concha conchita concho",
    "consuelo": "chelo consu",
    "cristina": "cris",
    "cristobal": "tobal cris",
    "daniel": "dani danny dany",
    "daniela": "dani",
    "david": "davi dave deivi",
    "diego": "dieguito",
    "dolores": "lola lolita",
    "domingos": "mingo djodje",
    "domingo": "mingo",
    "eduarda": "duda",
    "eduardo": "lalo edu dudu eddy eddie",
    "elena": "leni",
    "emmanuel": "manno manu manny",
    "enrique": "quique kike rique",
    "ernesto": "neto",
    "esperanza": "espe pera",
    "esteban": "teban",
    "eugenio": "geno",
    "felipe": "pipe lipe",
    "fernanda": "fer nanda nandita",
    "fernando": "nando fer fernan",
    "filomena": "mena filo",
    "florencia": "flor",
    "francisca": "paca paquita chica kika",
    "francisco": "paco pancho paquito kiko quico cisco chico",
    "gabriel": "gabi gaby gabe biel",
    "gabriela": "gabi gaby",
    "gerardo": "lalo gera",
    "gertrudes": "tudinha tuda",
    "gilberto": "beto gil",
    "gonzalo": "gonza chalo",
    "graciela": "chela",
    "gregorio": "goyo",
    "guadalupe": "lupe lupita pupe",
    "guillermo": "memo guille guillo willy",
    "gustavo": "gus tavo",
    "hector": "tito",
    "heriberto": "beto",
    "hernando": "nando",
    "humberto": "beto",
    "ignacio": "nacho",
    "isabel": "isa chabela chavela bel belita",
    "isidro": "chilo",
    "ismael": "mael",
    "jacqueline": "jacky jackie jaqui",
    "jaime": "jaimito",
    "javier": "javi",
    "jean": "tijean",
    "jesus": "chuy chucho chus",
    "joana": "joaninha juju",
    "joao": "joaozinho djon jon djoninho",
    "joaquim": "quim djack",
    "joaquin": "quino quin",
    "jorge": "coque jorgito",
    "jose": "pepe pepito chepe cheo che ze zeca zezinho djose zito",
    "josefa": "pepa chepa fina zefa",
    "josefina": "pepa fina chepina josie",
    "joseph": "jojo joe joey",
    "juan": "juancho juanito",
    "juana": "juanita",
    "julio": "julito",
    "julieta": "july",
    "leonardo": "leo nardo",
    "leticia": "leti ticia",
    "lorenzo": "lencho",
    "lourdes": "lulu",
    "lucia": "lucha luci lucinha",
    "luis": "lucho luisito lucito",
    "luisa": "lucha",
    "manuel": "manolo manny manolito lolo nelo nene manu",
    "marcelino": "marce lino",
    "marcos": "marquitos",
    "margarita": "mago margo",
    "maria": "mari mariquita maruja marucha bia",
    "mariana": "nana",
    "mario": "mayito",
    "mauricio": "mauri",
    "mercedes": "meche merche",
    "micaela": "mica",
    "miguel": "migue miguelito mike micky",
    "milagros": "mila mili",
    "monica": "moni",
    "natalia": "nati naty",
    "nicolas": "nico",
    "norberto": "beto",
    "octavio": "tavo",
    "pablo": "pablito",
    "patricia": "pati paty tricia",
    "pedro": "pedrito perucho pedrinho",
    "pierre": "tipierre pierrot",
    "rafael": "rafa rafi fael",
    "raimundo": "mundo",
    "ramon": "moncho mon",
    "raul": "rulo",
    "refugio": "cuca cuco",
    "ricardo": "rica richi cardo rick ricky",
    "roberto": "beto tito robe bob rob",
    "rodolfo": "fito rudy rolo",
    "rodrigo": "rodri digo",
    "rogelio": "roge",
    "rosa": "rosita",
    "rosario": "chayo charo",
    "salvador": "chava salva",
    "santiago": "santi chago",
    "sebastian": "sebas seba",
    "sergio": "checo",
    "silvia": "chiva",
    "socorro": "coco",
    "sofia": "sofi",
    "soledad": "sole chole",
    "susana": "susi",
    "teodoro": "teo doro",
    "teresa": "tere teresita tete",
    "tomas": "tomasito masito",
    "valentina": "vale",
    "veronica": "vero",
    "vicente": "chente",
    "victoria": "vicky vico",
    "wilfredo": "willy fredo",
    "xiomara": "xio",
    "yolanda": "yoli",
}
# Short forms that have short forms themselves in the English dataset, and yet are hardly ever given
# to one twin while the other bears the full name. Others of those, such as Isabel, Julia or Alex,
# are names of their own.
_SHORT_ONLY = frozenset(
    words(
        """
    babs bart becca bert beth bill billy bob bobby brad charlie chet chris cindy cliff danny
    debbie debby dick dotty eddie eddy fran frankie gertie gus jerry jim joe kate katy kenny
    larry lil lizzie maddy mandy manny marge margie marv merv mick mike mitch monty ollie patty
    peggy ray reggie rich rick ricky ron ronny sam sue susie tabby tammy ted terry thom tim tom
    tony trish vic vicki wally will willie winnie zach zack
    """
    )
)
# Short forms of the datasets that are given as names of their own as often, also to twins.
_OWN_NAMES = frozenset(
    words(
        """
    angel asa austin carole eden eli ella ellie emmy eve evan faith georgia grace hope jack jay
    joy kay kimberli king laura lea leon leona lily loren lucy margery max maya mia micah
    nichole nina noel rae rose rosey ruby stella stephany tess tyler west wes zoe
    """
    )
)
_ENGLISH = NickNamer()


@lru_cache(maxsize=16_384)
def is_short_form(full: str, short: str) -> bool:
    """Whether `short` is a short form of the full name `full`, in folded letters.

    Never for two spellings of one name, never the other way round, and never for a short form that
    is a name of its own: twins may be called Isabella and Isabel.
    """
    if short not in _short_forms(full) or short in _OWN_NAMES or _spelling(full, short):
        return False
    if len(short) >= len(full) and full not in _FURTHER:
        return False
    return short in _SHORT_ONLY or not (short in _FURTHER or _ENGLISH.nicknames_of(short))


@lru_cache(maxsize=16_384)
def share_full_name(one: str, other: str) -> bool:
    """Whether two names may stand for one: a full name and its short form, or two short forms."""
    forms = _short_forms(one), _short_forms(other)
    if other in forms[0] or one in forms[1]:
        return True
    return not _full_names(one).isdisjoint(_full_names(other))


@lru_cache(maxsize=16_384)
def _short_forms(full: str) -> frozenset[str]:
    # "Ti" before a Haitian name is "little".
    own = frozenset(_FURTHER.get(full, "").split())
    return own | _ENGLISH.nicknames_of(full) | {f"ti{full}"}


@lru_cache(maxsize=16_384)
def _full_names(short: str) -> frozenset[str]:
    return frozenset(_further_full_names().get(short, ())) | _ENGLISH.canonicals_of(short)


@cache
def _further_full_names() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for full, shorts in _FURTHER.items():
        for short in shorts.split():
            found[short] = (*found.get(short, ()), full)
    return found


def _spelling(full: str, short: str) -> bool:
    """Whether two names look alike and neither cuts the other short: Erica and Erika."""
    if full.startswith(short):
        return len(full) - len(short) < _SPELLING_DISTANCE
    stem = short.rstrip("eiy")
    if len(short) < len(full) and len(stem) >= _SHORTEST_STEM and full.startswith(stem):
        return False
    return OSA.distance(full, short, score_cutoff=_SPELLING_DISTANCE) <= _SPELLING_DISTANCE
