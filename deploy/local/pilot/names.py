"""The words the pilot makes names of: given names and surnames by community.

They are vocabulary, not persons. `_` stands for a blank inside one name.
"""

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


@dataclass(frozen=True, slots=True)
class Community:
    """The names, languages and races that go together in part of a city.

    Attributes:
        share: of a hundred households.
        language: the BCP 47 code of the home language that is not English.
        at_home: of a hundred households, those that speak it at home.
        races: race codes as families give them, and how often.
        two_surnames: of a hundred households, those that use both parents' surnames.
    """

    name: str
    share: int
    language: str
    at_home: int
    hispanic: bool
    races: tuple[tuple[str, int], ...]
    female: tuple[str, ...]
    male: tuple[str, ...]
    family: tuple[str, ...]
    middle_female: tuple[str, ...] = ()
    middle_male: tuple[str, ...] = ()
    two_surnames: int = 0


LATINO = Community(
    name="latino",
    share=36,
    language="es",
    at_home=75,
    hispanic=True,
    races=(
        ("white", 34),
        ("other", 34),
        ("black", 12),
        ("black;white", 6),
        ("american_indian", 4),
        ("declined", 10),
    ),
    female=_words(
        "María Sofía Valentina Camila Isabella Lucía Ximena Génesis Ángela Daniela Mariana "
        "Gabriela Alejandra Natalia Paola Yaretzi Belén Inés Rocío Nicole Ashley Emely Dayana "
        "Ana Anna Esmeralda Marisol Luz María_José María_Luz Ana_Sofía Yaneilys Raquel Itzel Noemí"
    ),
    male=_words(
        "José Luis Ángel Mateo Santiago Sebastián Diego Joaquín Andrés Adrián Jesús Iván Óscar "
        "Martín Julián Emiliano Rafael Miguel Kevin Brayan Jadiel Yandel Elías Héctor Raúl "
        "Cristian Ramón Samuel Nicolás José_Luis Juan_Carlos Luis_Ángel Isaías Maximiliano"
    ),
    family=_words(
        "Rodríguez Martínez García Pérez Rivera Santos Ortiz Muñoz Núñez Peña Díaz Reyes Cruz "
        "Ramírez Jiménez Hernández González Castillo Guzmán De_la_Cruz De_León Báez Polanco "
        "Almonte Tejeda Vásquez Figueroa Maldonado Colón Alvarado Meléndez Guerrero Cabrera "
        "Ventura Zúñiga Ávila Acevedo Marte Familia Paulino"
    ),
    two_surnames=58,
)

CAPE_VERDEAN = Community(
    name="cape_verdean",
    share=13,
    language="kea",
    at_home=80,
    hispanic=False,
    races=(("black", 66), ("other", 18), ("black;white", 12), ("declined", 4)),
    female=_words(
        "Leila Edneia Nádia Jacira Ivone Zenaida Cátia Elisângela Mayra Djamila Keila Sónia "
        "Edmilsa Neusa Aline Jandira Tatiana Vânia Denise Liliana Suely Naomi Érica Carla"
    ),
    male=_words(
        "João Edson Nélson Adilson Hélder Ailton Gilson Jair Kelvin Márcio Valdir Anílton Odair "
        "Ivandro Wilson Ederson António Zé Dário Emanuel César Djédjé Patrick Élvis"
    ),
    family=_words(
        "Gonçalves Évora Tavares Barros Andrade Monteiro Fernandes Lopes Gomes Mendes Teixeira "
        "Da_Veiga Dos_Santos Da_Rosa Correia Semedo Baptista Conceição Brandão Pires Depina "
        "Fontes Cardoso Varela Centeio Galvão Moniz Rocha Alves Ramos"
    ),
    two_surnames=20,
)

HAITIAN = Community(
    name="haitian",
    share=9,
    language="ht",
    at_home=80,
    hispanic=False,
    races=(("black", 95), ("declined", 5)),
    female=_words(
        "Françoise Nadège Régine Fabiola Guerline Mirlande Rose-Laure Marie-Ange Dieulène "
        "Woodeline Chrislande Esther Daphnée Naïka Widline Séphora Lovely Islande Béatrice Judeline"
    ),
    male=_words(
        "Étienne Jean-Claude Wisly Ricardo Stéphane Frantz Mackenson Jean-Robert Dieudonné Woodly "
        "Évens Kervens Josué Emmanuel Jeff Samuel Ralph Wilner Réginald Schneider"
    ),
    family=_words(
        "Jean-Baptiste Jean-Pierre Pierre-Louis Joseph Étienne Désir Toussaint Beauvais François "
        "Célestin Saint-Fleur Charles Augustin Dorcé Mésidor Lafontant Jean-Louis Exantus Fénélon "
        "Dieujuste Noël Cadet"
    ),
)

AFRICAN_AMERICAN = Community(
    name="african_american",
    share=19,
    language="en",
    at_home=0,
    hispanic=False,
    races=(("black", 86), ("black;white", 7), ("american_indian;black", 3), ("declined", 4)),
    female=_words(
        "Aaliyah Nia Imani Jada Jade Zoe Kennedy Ja'Nae Destiny Makayla Trinity Skylar Amari "
        "Kiara Laila Amaya Ny'Asia Layla Serenity Brielle Raven Sanaa Taniyah Naomi Zaria Autumn"
    ),
    male=_words(
        "Jayden Malik De'Andre Isaiah Elijah Xavier Jamal Tyrell D'Angelo Amir Khalil Marcus "
        "Jordan Zion Josiah Terrell Da'Quan Kamari Caleb Darius Jeremiah Micah Jalen Andre"
    ),
    family=_words(
        "Washington Jackson Williams Brown Johnson Harris Robinson Coleman Jenkins Freeman Booker "
        "Gaines Banks Hayes Simmons Bryant Foster Mosley Dorsey Pettiford Whitfield Grant Parks "
        "Howard Baptiste-Moore Ellis"
    ),
)

VIETNAMESE = Community(
    name="vietnamese",
    share=6,
    language="vi",
    at_home=85,
    hispanic=False,
    races=(("asian", 97), ("declined", 3)),
    female=_words(
        "Ánh Hương Thảo Trâm Ngọc Linh Mỹ_Duyên Vy Quỳnh Hạnh Phương Thủy Kim_Ngân Yến Diễm "
        "Bảo_Ngọc Tường_Vy Khánh_Linh Emily Jennifer"
    ),
    male=_words(
        "Minh Đức Hùng Quân Tuấn Phúc Bảo Khôi Dũng Thiện Gia_Huy Quốc Long Vinh Đạt Tiến Khang "
        "Anh_Khoa Kevin Andy"
    ),
    family=_words("Nguyễn Trần Lê Phạm Huỳnh Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Phan Vũ Trương"),
    middle_female=_words("Thị Ngọc Thanh Mỹ"),
    middle_male=_words("Văn Hữu Đình Quang"),
)

IRISH_ITALIAN = Community(
    name="irish_italian",
    share=11,
    language="pt",
    at_home=10,
    hispanic=False,
    races=(("white", 90), ("asian;white", 4), ("american_indian;white", 2), ("declined", 4)),
    female=_words(
        "Siobhán Maeve Nora Caitlin Erin Grace Abigail Fiona Molly Olivia Emma Chloë Renée "
        "Francesca Gianna Lucia Zoë Hannah Julia Audrey Maggie Bridget Sinéad Elena"
    ),
    male=_words(
        "Seán Liam Declan Finn Conor Brendan Owen Ryan Patrick Colin Matthew Ciarán Anthony Luca "
        "Dominic Nicholas Vincent William Henry Brian Bryan Jack Thomas Michael"
    ),
    family=_words(
        "O'Brien O'Connor O'Malley D'Amico McCarthy Sullivan Murphy Kelly Doherty Walsh Flaherty "
        "DiNapoli Russo DeLuca Esposito Fitzgerald Keane Callahan Lynch Silva Medeiros Novak "
        "Smith-Walsh Müller"
    ),
)

CHINESE = Community(
    name="chinese",
    share=3,
    language="zh",
    at_home=90,
    hispanic=False,
    races=(("asian", 100),),
    female=_words("Mei Xiu_Ying Jia_Yi Hui_Min Lü Amy Jessica Xin_Yi Yan Grace Wen Tiffany"),
    male=_words("Jun Wei_Jie Hao_Yu Zi_Xuan Eric Jason Ming Kai Bo_Wen Alan Yi_Chen Tony"),
    family=_words("Chen Huang Liu Wong Lin Zhang Lü Mei Tan Yee Ng Zhao"),
)

SOMALI = Community(
    name="somali",
    share=3,
    language="so",
    at_home=90,
    hispanic=False,
    races=(("black", 100),),
    female=_words("Amina Fadumo Hodan Ifrah Sahra Hibo Nasra Ayaan Khadija Ubah Maryan Sumaya"),
    male=_words(
        "Abdi Mohamed Yusuf Liban Cabdullahi Hassan Ismail Zakariya Ayub Bilal Omar Sharif"
    ),
    family=_words("Ali Hassan Warsame Farah Abdullahi Jama Mohamud Nur Osman Aden Yusuf Barre"),
)

COMMUNITIES = (
    LATINO,
    CAPE_VERDEAN,
    HAITIAN,
    AFRICAN_AMERICAN,
    VIETNAMESE,
    IRISH_ITALIAN,
    CHINESE,
    SOMALI,
)

MIDDLE_FEMALE = _words("Marie Elizabeth Rose Lee Ann Michelle Grace Isabel Nicole Faith Renée Lynn")
MIDDLE_MALE = _words(
    "Alexander James Antonio Lee Joseph David Manuel Andrés Christopher Amir Jean Luís"
)
"""Middle names of every community that has none of its own."""

NICKNAMES = {
    "Abigail": "Abby",
    "Alejandra": "Ale",
    "Andrés": "Andy",
    "Anthony": "Tony",
    "António": "Toni",
    "Christian": "Chris",
    "Emmanuel": "Manny",
    "Francesca": "Frankie",
    "Gabriela": "Gaby",
    "Isabella": "Bella",
    "Jeremiah": "Jeremy",
    "José": "Pepe",
    "João": "Joãozinho",
    "Mackenson": "Mack",
    "Matthew": "Matt",
    "Maximiliano": "Max",
    "Michael": "Mike",
    "Mohamed": "Mo",
    "Nicholas": "Nick",
    "Patrick": "Paddy",
    "Sebastián": "Sebas",
    "Serenity": "Ren",
    "Stéphane": "Steph",
    "Thomas": "Tommy",
    "Valentina": "Vale",
    "Vincent": "Vinny",
    "William": "Will",
    "Zakariya": "Zak",
    "Samuel": "Sam",
    "Daniela": "Dani",
    "Jennifer": "Jenny",
    "Jessica": "Jess",
}
"""What some children are called at home."""

SCHOOL_WORDS = _words(
    "Lighthouse Breakwater Granite Orchard Tidewater Larkspur Foundry Willow Ferry_Street Beacon "
    "Chestnut Quarry Meadowbrook Cooper Ropewalk Sandpiper Elm_Park Millrace Sparrow Cedar_Hill "
    "Seawall Juniper Kestrel Bayberry Clover Old_Mill Marsh_Point Harborview Riverside Pine_Bank"
)
"""What schools are named after."""
