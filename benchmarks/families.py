"""Makes up families for matching: what a district has on file, and what families write on forms.

Everything is drawn from one seed. Twins, siblings and strangers of one name are there on purpose:
they are what a wrong link is made of.
"""

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from services.node.domain.matching import Identity
from services.node.domain.matching.word_list import words

_GIRLS = words(
    """
    Sofía Camila Valeria Isabella Luciana Mariana Antonella Renata Ximena Regina Daniela Emma
    Olivia Ava Charlotte Amelia Evelyn Abigail Harper Madison Aaliyah Nevaeh Imani Zoe Naomi
    Fabiola Widelene Islande Mirlande Guerda Ketsia Nayeli Itzel Dulce Yaretzi Ivone Djamila
    Edna Leila Zuleica Amina Hodan Sahra Ayaan Fadumo Linh Thảo Ngọc Trang My Mei Xinyi Yuting
    Jiayi Priya Ananya Fatoumata Aminata Mariama Chidinma Ngozi Svetlana Oksana Agnieszka Zofia
    Margaret Katherine Elizabeth Jennifer Rebecca Patricia Susan Deborah Victoria Christina
    """
)
_BOYS = words(
    """
    Santiago Mateo Sebastián Matías Nicolás Alejandro Diego Samuel Joaquín Emiliano Ángel Iker
    Liam Noah Oliver Elijah Lucas Mason Logan Ethan Jaxon Malik Darnell Tyrone DeShawn Isaiah
    Wilner Jocelyn Fritz Evens Kervens Roodly Nelson Adilson Edmilson Admir Zeferino Ailton
    Abdirahman Liban Guled Bilal Yasin Duy Khang Phúc Tuấn Hiếu Jun Haoran Zihan Yichen Arjun
    Rohan Mamadou Ousmane Ibrahima Chinedu Emeka Dmitri Bohdan Piotr Kacper William Robert
    Francisco Guillermo Enrique Ignacio José Antonio Richard Edward Benjamin Theodore
    """
)
_SHORT = {
    "Margaret": "Maggie", "Katherine": "Kathy", "Elizabeth": "Betsy", "Jennifer": "Jenny",
    "Rebecca": "Becky", "Patricia": "Tricia", "Susan": "Susie", "Deborah": "Debbie",
    "Victoria": "Vicky", "Christina": "Tina", "William": "Billy", "Robert": "Bobby",
    "Francisco": "Paco", "Guillermo": "Memo", "Enrique": "Kike", "Ignacio": "Nacho",
    "José": "Pepe", "Antonio": "Toño", "Richard": "Rick", "Edward": "Ned",
    "Benjamin": "Ben", "Theodore": "Ted", "Alejandro": "Alejo", "Abigail": "Abby",
}  # fmt: skip
# Twins' names as parents pair them: a letter, a syllable or a second name apart.
_TWIN_NAMES = (
    ("Kiara", "Tiara"), ("Makayla", "Mikayla"), ("Aiden", "Caiden"), ("Zion", "Sion"),
    ("Alexa", "Alexia"), ("Emily", "Emely"), ("Jordan", "Jordyn"), ("Luis Ángel", "Luis Miguel"),
    ("María Elena", "María Teresa"), ("Anne-Marie", "Anne-Rose"), ("Marc", "Marco"),
    ("Isabel", "Isabella"), ("Hassan", "Hussein"), ("Minh Anh", "Minh Châu"), ("Jon", "John"),
    ("Sara", "Sarah"), ("Tamia", "Tamya"), ("Kelvin", "Kevin"), ("Adriana", "Andreana"),
    ("Cristian", "Cristiano"), ("Jose", "Jose Luis"), ("Ted", "Ned"), ("Bill", "Will"),
)  # fmt: skip
_SURNAMES = words(
    """
    García Rodríguez Martínez Hernández López González Pérez Sánchez Ramírez Torres Flores
    Rivera Gómez Díaz Cruz Reyes Morales Ortiz Gutiérrez Chávez Ramos Ruiz Mendoza Vargas
    Castillo Smith Johnson Williams Brown Jones Davis Miller Wilson Moore Taylor Anderson Thomas
    Jackson White Harris Martin Thompson Robinson Clark Lewis Lee Walker Hall Allen Young King
    Wright Silva Fernandes Gomes Andrade Lopes Barros Tavares Monteiro Pires Fortes Correia
    Cabral Pierre Joseph Louis Charles Augustin François Estimé Toussaint Célestin Dorvil Nguyễn
    Trần Phạm Huỳnh Vũ Đặng Bùi Chen Wang Zhang Liu Huang Zhou Hassan Ali Mohamed Warsame Farah
    Patel Singh Diallo Bah Sow Okafor Eze Kowalski Nowak Wiśniewski Petrov Ivanova Bondarenko
    """
)
_PARTICLED = ("da Silva", "dos Santos", "de la Cruz", "de León", "da Veiga", "del Río", "Mc Carthy")
_STREETS = words(
    """
    Elm Oak Pine Maple Cedar Spruce Birch Walnut Ash Linden Poplar Willow Hazel
    """
)
_SYLLABLES = words(
    """
    ba be da do fa ga ka la lo ma mi na no pa ra ri sa so ta ti va vo za
    """
)

Slip = Callable[[random.Random, Identity], Identity]


@dataclass(frozen=True, slots=True)
class Child:
    """A child, as it is; both sides write it down in their own way."""

    number: int
    family: int
    is_twin: bool
    truth: Identity


def make_children(seed: int, families: int) -> Iterator[Child]:
    """The children of so many families, without end to what their names may be."""
    chance = random.Random(seed)  # noqa: S311  # nothing secret is drawn
    number = 0
    for family in range(families):
        home = _home(chance)
        for truth, is_twin in _siblings(chance, home):
            yield Child(number, family, is_twin, truth)
            number += 1


def on_file(chance: random.Random, child: Child) -> Identity:
    """How the district wrote a child down; seldom wrong."""
    return _with_slips(chance, child.truth, _FILE_SLIPS)


def on_form(chance: random.Random, child: Child) -> Identity:
    """How a family, or who helped it, wrote a child down."""
    return _with_slips(chance, child.truth, _FORM_SLIPS)


def split(
    seed: int, families: int, shared: float = 0.6
) -> tuple[list[tuple[int, Identity]], list[tuple[int, Identity]]]:
    """A roster and the claims about it: each child is in both by this share, else in one."""
    chance = random.Random(seed + 1)  # noqa: S311  # nothing secret is drawn
    roster, claims = [], []
    for child in make_children(seed, families):
        drawn = chance.random()
        in_one = (1 - shared) / 2
        if drawn < shared + in_one:
            roster.append((child.number, on_file(chance, child)))
        if drawn < shared or drawn >= shared + in_one:
            claims.append((child.number, on_form(chance, child)))
    chance.shuffle(roster)
    chance.shuffle(claims)
    return roster, claims


def _home(chance: random.Random) -> Identity:
    return Identity(
        family=_family_name(chance),
        phone=f"{chance.choice((617, 857, 508))}{chance.randrange(2_000_000, 9_999_999)}",
        address=f"{chance.randrange(1, 900)} {chance.choice(_STREETS)} St",
        zip=f"02{chance.randrange(100, 199)}",
    )


def _family_name(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.06:
        return chance.choice(_PARTICLED)
    first = _surname(chance)
    if kind < 0.42:
        return f"{first} {_surname(chance)}"
    return f"{first}-{_surname(chance)}" if kind < 0.48 else first


def _surname(chance: random.Random) -> str:
    if chance.random() < 0.25:
        return "".join(chance.choices(_SYLLABLES, k=chance.randrange(3, 5))).capitalize()
    # Some names are borne by many: the first of the list most of all.
    return _SURNAMES[min(int(chance.expovariate(0.04)), len(_SURNAMES) - 1)]


def _siblings(chance: random.Random, home: Identity) -> Iterator[tuple[Identity, bool]]:
    year = chance.randrange(2004, 2020)
    names: set[str] = set()
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3))):
        born = dt.date(year, 1, 1) + dt.timedelta(chance.randrange(365))
        if chance.random() < 0.03:
            yield from ((twin, True) for twin in _twins(chance, home, born))
        else:
            one = _one(chance, home, born)
            if one.given not in names:
                yield one, False
            names.add(one.given)
        year += chance.randrange(2, 5)


def _twins(chance: random.Random, home: Identity, born: dt.date) -> Iterator[Identity]:
    if chance.random() < 0.7:
        sex = chance.choice("FM")
        for given in chance.choice(_TWIN_NAMES):
            yield replace(home, given=given, birth_date=born, sex=sex)
        return
    first = _one(chance, home, born)
    second = _one(chance, home, born)
    yield first
    if second.given != first.given:
        yield second


def _one(chance: random.Random, home: Identity, born: dt.date) -> Identity:
    sex = chance.choice("FM")
    names = _GIRLS if sex == "F" else _BOYS
    given = chance.choice(names)
    if chance.random() < 0.15:
        given = f"{given} {chance.choice(names)}"
    middle = chance.choice(names) if chance.random() < 0.25 else ""
    return replace(home, given=given, middle=middle, birth_date=born, sex=sex)


def _with_slips(
    chance: random.Random, truth: Identity, slips: Sequence[tuple[float, Slip]]
) -> Identity:
    written = truth
    for share, slip in slips:
        if chance.random() < share:
            written = slip(chance, written)
    return written


def _typo(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text))
    letter = chance.choice("abdeilmnorstu")
    return chance.choice(
        (
            text[:at] + text[at + 1 :],
            text[:at] + letter + text[at:],
            text[:at] + letter + text[at + 1 :],
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
        )
    )


def _given_typo(chance: random.Random, one: Identity) -> Identity:
    return replace(one, given=_typo(chance, one.given) or one.given)


def _surname_typo(chance: random.Random, one: Identity) -> Identity:
    return replace(one, family=_typo(chance, one.family) or one.family)


def _short_form(_: random.Random, one: Identity) -> Identity:
    return replace(one, given=_SHORT.get(one.given, one.given))


def _one_surname(chance: random.Random, one: Identity) -> Identity:
    parts = one.family.replace("-", " ").split()
    return replace(
        one, family=chance.choice((parts[0], parts[-1])) if len(parts) == 2 else one.family
    )


def _new_surname(chance: random.Random, one: Identity) -> Identity:
    return replace(one, family=_family_name(chance))


def _respaced(chance: random.Random, one: Identity) -> Identity:
    family = one.family
    return replace(
        one,
        family=chance.choice((family.replace(" ", ""), family.replace(" ", "-"), family.upper())),
    )


def _turned(_: random.Random, one: Identity) -> Identity:
    return replace(one, given=one.family, family=one.given)


def _first_given_only(_: random.Random, one: Identity) -> Identity:
    return replace(one, given=one.given.split()[0])


def _other_day(chance: random.Random, one: Identity) -> Identity:
    born = one.birth_date or dt.date(2010, 6, 15)
    return replace(
        one,
        birth_date=chance.choice(
            (
                born.replace(day=chance.randrange(1, 29)),
                born.replace(day=min(born.day, 28), month=chance.randrange(1, 13)),
                born.replace(day=min(born.day, 28), year=born.year - 1),
            )
        ),
    )


def _day_for_month(_: random.Random, one: Identity) -> Identity:
    born = one.birth_date
    if born is None or born.day > 12:
        return one
    return replace(one, birth_date=born.replace(month=born.day, day=born.month))


def _moved(chance: random.Random, one: Identity) -> Identity:
    new = _home(chance)
    return replace(one, address=new.address, zip=new.zip)


def _new_phone(chance: random.Random, one: Identity) -> Identity:
    return replace(one, phone=_home(chance).phone)


def _without(**fields: str | None) -> Slip:
    return lambda _, one: replace(one, **fields)  # type: ignore[arg-type]  # fields of Identity


_FILE_SLIPS: Sequence[tuple[float, Slip]] = (
    (0.5, lambda _, one: replace(one, middle=one.middle[:1])),
    (0.01, _surname_typo),
    (0.005, _given_typo),
    (0.03, _without(phone="")),
)
_FORM_SLIPS: Sequence[tuple[float, Slip]] = (
    (0.6, _without(middle="")),
    (0.08, _short_form),
    (0.05, _given_typo),
    (0.05, _surname_typo),
    (0.04, _one_surname),
    (0.025, _new_surname),
    (0.06, _respaced),
    (0.01, _first_given_only),
    (0.03, _other_day),
    (0.01, _day_for_month),
    (0.01, _without(birth_date=None)),
    (0.08, _without(sex="")),
    (0.15, _moved),
    (0.2, _new_phone),
    (0.07, _without(address="", zip="")),
    (0.015, _turned),
)
