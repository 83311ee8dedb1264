"""The words that invented songs are made of. All of it was written for this file.

A line is an opening and an ending; endings come in families that rhyme, so that couplets are couplets.
"""

from __future__ import annotations

FIRST_NAMES = (
    "Ada Bram Calla Dorrit Edda Fenn Greta Hollis Ines Jory Kit Lark Maud Nell Otis Perrin Quill Rosa Silas Tamsin "
    "Una Vesper Wilf Xanthe Yorick Zelda Zoë Renée Åse Łucja Søren Noël"
).split()
LAST_NAMES = (
    "Ashgrove Bellweather Carrow Dunmere Eastlake Farthing Goldcrest Hathersedge Ironside Juniper Kettleby Larkspur "
    "Marrowbone Nightjar Oakapple Pennyroyal Quince Rookwood Saltmarsh Thistledown Underhill Vantongeren Windermoor "
    "Yarrow Brånd Müllner Castañeda Lefèvre"
).split()
MANNERS = (
    "Paper Velvet Copper Hollow Quiet Crooked Silver Borrowed Amber Wooden Northern Painted Sunken Second Restless "
    "Tin Salt Distant Barefoot Electric"
).split()
CREATURES = (
    "Lanterns Herons Ferries Orchards Foxes Telegraphs Lighthouses Magpies Engines Gardens Sailors Cartographers "
    "Pigeons Meadows Weathervanes Gramophones Otters Chimneys Postmen Kettles"
).split()
THINGS = (
    "coat lamp letter ticket kettle compass ladder violin suitcase photograph button ribbon bicycle key mirror teacup "
    "map radio feather penny blanket candle notebook umbrella thimble harmonica bottle watch postcard scarf needle "
    "matchbox bell pillow basket glove pencil hammer marble whistle"
).split()
PLACES = (
    "door harbour kitchen river staircase station orchard window bridge hallway ferry market attic garden corner "
    "bakery chapel cellar crossing rooftop meadow fountain island tunnel quarry library greenhouse jetty stable lane "
    "mill lighthouse courtyard avenue valley shoreline field tower alley boathouse"
).split()
TITLE_SHAPES = (
    "{Thing} by the {Place}",
    "{Manner} {Thing}",
    "The {Place} Is Listening",
    "Leave the {Thing} On",
    "Nobody's {Thing}",
    "{Place} Song",
    "All the Way to the {Place}",
    "Don't Sell the {Thing}",
    "{Thing} & {Other}",
    "(I Forgot) the {Thing}",
    "Two Miles past the {Place}",
    "Meet Me at the {Place}",
    "My {Manner} {Place}",
    "Who Moved the {Thing}?",
    "{Place}, {Place2}",
    "Half a {Thing}",
    "When the {Place} Was Ours",
    "{Thing} in My {Other}",
)
OPENINGS = (
    "I left the {thing} beside the {place}",
    "You drew a {thing} upon my sleeve",
    "We hid our {thing} below the {place}",
    "My mother kept a {manner} {thing}",
    "They painted every {place} blue",
    "There's someone humming in the {place}",
    "I traded you a {thing} once",
    "The {place} was closed when we arrived",
    "No one had swept the {place} floor",
    "You laughed and dropped the {manner} {thing}",
    "Your brother lost a {thing} there",
    "I read your note behind the {place}",
    "The {manner} boats went out to sea",
    "A {thing} was ringing on the shelf",
    "We danced between the {place} walls",
    "I counted steps from {place} to {place2}",
    "Tell the {place} I won't be long",
    "Every {thing} that I own is yours",
    "She mended every {thing} I broke",
    "Some {manner} stranger held the {thing}",
    "I heard you singing by the {place}",
    "You never asked about the {thing}",
    "The old dog slept against the {place}",
    "We walked the {place} end to end",
    "I'll sell the {thing} and the {other}",
    "He taught me how to wind the {thing}",
    "A {manner} wind came through the {place}",
    "I've got a {thing} and half a {other}",
    "Don't wake the children in the {place}",
    "You said the {place} could wait for us",
    "The clocks above the {place} stopped",
    "I wore your {thing} to the {place}",
)
ENDINGS = (
    (
        "in the morning light",
        "and it stayed all night",
        "when the moon was bright",
        "just out of sight",
        "holding on tight",
        "and we felt all right",
    ),
    (
        "in the pouring rain",
        "from the evening train",
        "and again and again",
        "through a window pane",
        "down a country lane",
        "like an old refrain",
    ),
    (
        "on the way back home",
        "made of glass and chrome",
        "and I walked alone",
        "like a skipping stone",
        "on the telephone",
        "in a city unknown",
    ),
    (
        "and you took my hand",
        "by the marching band",
        "drawing lines in sand",
        "in a foreign land",
        "as if it were planned",
        "where the willows stand",
    ),
    (
        "and I learned to stay",
        "on a holiday",
        "at the end of May",
        "in the month of grey",
        "and we looked away",
        "with so much to say",
    ),
    (
        "till the leaves came down",
        "on the edge of town",
        "in a wedding gown",
        "wearing no man's crown",
        "let the worries drown",
        "and it's turning brown",
    ),
    (
        "with a heart of gold",
        "and the tea got cold",
        "so the story's told",
        "as the hills grow old",
        "and the house was sold",
        "let the days unfold",
    ),
    (
        "underneath the sky",
        "and I don't know why",
        "never said goodbye",
        "when the creek ran dry",
        "let the swallows fly",
        "in the by and by",
    ),
    (
        "and the band played slow",
        "in the winter snow",
        "where the nettles grow",
        "like a river's flow",
        "all those years ago",
        "did you ever know",
    ),
    (
        "on a summer's day",
        "carried far astray",
        "while the fiddles play",
        "and we hid away",
        "come what ever may",
        "throw the key away",
    ),
    (
        "by the garden wall",
        "at the end of fall",
        "after one last call",
        "nothing left at all",
        "underneath the shawl",
        "in a crowded hall",
    ),
    (
        "as the lamps went out",
        "and I turned about",
        "never had a doubt",
        "on the fishing route",
        "for a whispered shout",
        "when the truth came out",
    ),
    (
        "and the kettle sings",
        "with a box of strings",
        "counting broken rings",
        "what the season brings",
        "on a pair of wings",
        "and the church bell swings",
    ),
    (
        "if you ask me to",
        "and the sky was blue",
        "only me and you",
        "with a button through",
        "and it all came true",
        "in a borrowed shoe",
    ),
)
# The same in other tongues and scripts, smaller: a title's words, an artist's names, openings and endings.
TONGUES: dict[str, dict[str, tuple[str, ...]]] = {
    "es": {
        "artists": ("Señora Ceniza", "Los Botones Azules", "Íñigo Peñarrubia"),
        "titles": (
            "La Ventana del Río",
            "Mañana sin Reloj",
            "Botón de Niebla",
            "El Último Tranvía",
            "Canción del Añil",
        ),
        "openings": (
            "Dejé la llave junto al río",
            "Tu sombra cruza la cocina",
            "Nadie barrió la vieja plaza",
            "Guardé tu carta en un zapato",
            "La niña canta en la escalera",
            "El tren se olvida de nosotros",
            "Mi abuelo riega las ventanas",
            "Compré dos sillas para el mar",
        ),
        "endings": (
            "y se apagó la luna",
            "sin prisa ni fortuna",
            "como mañana alguna",
            "con pan y una aceituna",
            "y el viento se ha dormido",
            "por todo lo perdido",
            "como un reloj partido",
            "con el abrigo herido",
        ),
    },
    "de": {
        "artists": ("Die Blechernen Gärten", "Käthe Öhrlein"),
        "titles": ("Straße ohne Bäume", "Grüner Koffer", "Über den Dächern wohnt die Zeit", "Müde Möwen"),
        "openings": (
            "Ich trag den Koffer durch den Garten",
            "Am Fenster steht ein leerer Becher",
            "Die Tante näht die blauen Segel",
            "Wir gehen barfuß durch die Gasse",
            "Der Müller zählt die kleinen Steine",
            "Du hast den Schlüssel nie gefunden",
            "Im Keller spielt ein altes Radio",
            "Die Möwe schläft auf unserm Dach",
        ),
        "endings": (
            "und keiner weiß, warum",
            "die Uhren bleiben stumm",
            "wir drehen uns nicht um",
            "der Weg ist lang und krumm",
            "so leise wie der Schnee",
            "am Ufer von dem See",
            "mit Honig in dem Tee",
            "und nichts tut mir mehr weh",
        ),
    },
    "fr": {
        "artists": ("Mémé Électrique", "Les Réverbères d'Août"),
        "titles": ("À l'Ombre du Café", "Où Va la Poussière", "Garçon de Brume", "L'Été des Échelles"),
        "openings": (
            "J'ai laissé la clé sous la porte",
            "Ta voix traverse la cuisine",
            "Le facteur dort sur son vélo",
            "On a repeint toutes les chaises",
            "La mer oublie nos deux valises",
            "Ton frère compte les bougies",
            "Je garde un bouton de ta veste",
            "Le pain refroidit sur la table",
        ),
        "endings": (
            "au fond de la nuit",
            "sans faire de bruit",
            "dessous la pluie",
            "et puis tout s'enfuit",
            "le long du chemin",
            "jusqu'à demain",
            "la main dans la main",
            "comme un vieux refrain",
        ),
    },
    "ru": {
        "artists": ("Тихие Чайники", "Ася Берёзкина"),
        "titles": ("Синяя Лодка", "Ёлка у Окна", "Последний Трамвай", "Письмо из Кухни"),
        "openings": (
            "Я оставил ключи у калитки",
            "На окне засыпает герань",
            "Мы считали вагоны и крыши",
            "Бабушка шила парус из ситца",
            "Ты забыла свой зонт на вокзале",
            "За рекой запевает гармонь",
            "Старый пёс сторожит нашу лодку",
            "В коридоре погасла свеча",
        ),
        "endings": (
            "и опять молчу",
            "погашу свечу",
            "я домой хочу",
            "по реке лечу",
            "до самой зари",
            "ты не говори",
            "горят фонари",
            "считай до трёх, раз-два-три",
        ),
    },
    "el": {
        "artists": ("Οι Χάρτινοι Φάροι",),
        "titles": ("Το Μπλε Κουμπί", "Καλοκαίρι στη Σκάλα", "Δύο Βάρκες"),
        "openings": (
            "Άφησα το κλειδί στην πόρτα",
            "Η θάλασσα κοιμάται ακόμα",
            "Μετρούσαμε τα παραθύρια",
            "Η γιαγιά ράβει ένα πανί",
            "Ο δρόμος μύριζε ψωμί",
            "Κρατώ ακόμα το κουμπί σου",
        ),
        "endings": (
            "κι έξω χαράζει",
            "και δε με νοιάζει",
            "κι όλο βραδιάζει",
            "μες στη σιωπή",
            "ως την αυγή",
            "σαν μια ευχή",
        ),
    },
    "ja": {
        "artists": ("紙の灯台", "ミナト・ハルカ"),
        "titles": ("青いボタン", "がらんどうの駅", "夜明けのやかん", "ふたりの地図"),
        "openings": (
            "玄関に鍵を置いたまま",
            "台所で誰かが歌ってる",
            "古い地図をたたんで",
            "バスはもう来ないけれど",
            "窓ぎわの花が眠る",
            "きみの手紙を読み返す",
        ),
        "endings": ("朝が来るまで", "雨がやむまで", "海が見えるまで", "風にゆれてる", "ひとり歩いてる", "まだ覚えてる"),
    },
}
