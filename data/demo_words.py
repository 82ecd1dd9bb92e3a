"""The words of the seeded catalogue: places with their languages, and skills in clusters that go together."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """Skills, tools and knowledge that the same people have, the most common first."""

    name: str
    skills: tuple[str, ...]
    tools: tuple[str, ...]
    knowledge: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _cluster(name: str, skills: str, tools: str, knowledge: str) -> Cluster:
    return Cluster(name, _words(skills), _words(tools), _words(knowledge))


CLUSTERS: tuple[Cluster, ...] = (
    _cluster(
        "Singing",
        "Singing, Vocal harmony, Songwriting, Beatboxing, Opera, Gospel, Bolero, Vocal coaching, Falsetto, "
        "Choir, Jazz vocals, Ranchera, Improvised singing, Whistling, Yodelling, Rapping, Freestyle rap, Ear "
        "training",
        "Microphone, Loop station, Audio interface, Pop filter, Autotune",
        "Music theory, Breathing technique, Stage presence, Solfège",
    ),
    _cluster(
        "Strings and keys",
        "Guitar, Piano, Bass guitar, Violin, Ukulele, Cello, Charango, Flamenco guitar, Fingerstyle, Harp, "
        "Cuatro, Accordion, Slide guitar, Sight reading, Arranging, Mandolin, Slap bass, Bandola",
        "Acoustic guitar, Digital piano, Metronome, Capo, Guitar pedals",
        "Harmony, Music theory, Rhythm, Composition",
    ),
    _cluster(
        "Beats",
        "DJing, Beat making, Scratching, Drumming, Sound design, Mixing, Mastering, Sampling, Finger "
        "drumming, Synthesis, Techno production, Reggaetón production, Congas, Cajón, Field recording, "
        "Remixing, Foley, Batucada",
        "Ableton Live, FL Studio, MPC, Turntables, Drum machine",
        "Acoustics, Rhythm, Audio engineering, Music business",
    ),
    _cluster(
        "Dance",
        "Salsa, Bachata, Hip hop dance, Breakdance, Ballet, Contemporary dance, Choreography, Cumbia, Tango, "
        "Popping, Locking, Voguing, Tap dance, Champeta, Flamenco dance, Capoeira, Heels, Pole dance",
        "Dance shoes, Mirror, Speaker, Tripod",
        "Body awareness, Musicality, Dance history, Warming up",
    ),
    _cluster(
        "Acting",
        "Acting, Improvisation, Monologues, Voice acting, Clown, Mime, Stage combat, Directing, "
        "Scriptwriting, Casting, Dubbing, Puppetry, Physical theatre, Accents, Storytelling, Narration, "
        "Method acting, Musical theatre",
        "Camera, Teleprompter, Stage lights, Costumes",
        "Dramaturgy, Stanislavski, Body language, Theatre history",
    ),
    _cluster(
        "Comedy and magic",
        "Stand-up comedy, Card magic, Impressions, Sketch comedy, Mentalism, Juggling, Ventriloquism, "
        "Hypnosis, Coin magic, Satire, Roasting, Close-up magic, Escapology, Joke writing, Balloon twisting, "
        "Unicycling, Fire breathing, Contact juggling",
        "Playing cards, Microphone, Juggling clubs, Props",
        "Timing, Misdirection, Audience reading, Writing",
    ),
    _cluster(
        "Cooking",
        "Cooking, Baking, Pastry, Knife skills, Grilling, Latte art, Vegan cooking, Bread making, Food "
        "styling, Mixology, Sushi, Chocolate work, Fermentation, Arepas, Ceviche, Cake decorating, Coffee "
        "roasting, Pizza dough",
        "Chef's knife, Oven, Espresso machine, Stand mixer, Grill",
        "Nutrition, Food safety, Flavour pairing, Wine",
    ),
    _cluster(
        "Football and balls",
        "Football freestyle, Dribbling, Goalkeeping, Basketball, Free kicks, Volleyball, Street football, "
        "Tennis, Dunking, Passing, Trick shots, Futsal, Table tennis, Padel, Handball, Refereeing, Beach "
        "volleyball, Baseball",
        "Football, Basketball hoop, Cones, Racket",
        "Tactics, Sports nutrition, Injury prevention, Coaching",
    ),
    _cluster(
        "Movement",
        "Calisthenics, Yoga, Parkour, Skateboarding, Gymnastics, Boxing, Climbing, Surfing, Slackline, BMX, "
        "Handstands, Trail running, Karate, Taekwondo, Pilates, Stretching, Rollerblading, Jiu-jitsu",
        "Pull-up bar, Yoga mat, Skateboard, Boxing gloves, Surfboard",
        "Anatomy, Sports nutrition, Training plans, Mobility",
    ),
    _cluster(
        "Drawing and craft",
        "Drawing, Watercolour, Graffiti, Digital illustration, Calligraphy, Sculpture, Oil painting, "
        "Tattooing, Pottery, Origami, Muralism, Comic art, Caricature, Woodcarving, Embroidery, Lettering, "
        "Linocut, Stained glass",
        "Procreate, Graphics tablet, Brushes, Spray cans, Kiln",
        "Colour theory, Composition, Art history, Perspective",
    ),
    _cluster(
        "Film and photography",
        "Photography, Video editing, Cinematography, Colour grading, Drone flying, Portraits, Street "
        "photography, Stop motion, Lighting, Documentary, Time lapse, Visual effects, Photo retouching, "
        "Wedding films, Astrophotography, Motion graphics, Reels, Underwater film",
        "DaVinci Resolve, Premiere Pro, Mirrorless camera, Drone, Gimbal, Lightroom",
        "Composition, Optics, Film history, Visual narrative",
    ),
    _cluster(
        "Code and making",
        "Programming, Web design, Robotics, 3D printing, Game development, Electronics, Data visualisation, "
        "Speedcubing, App development, Generative art, Home automation, Woodworking, Mechanical keyboards, "
        "Creative coding, Shader art, Chess, Drone building, Retro computing",
        "Python, Arduino, Blender, Unity, Figma, Soldering iron",
        "Algorithms, Mathematics, User experience, Physics",
    ),
    _cluster(
        "Fashion and beauty",
        "Makeup, Fashion design, Modelling, Hairdressing, Nail art, Styling, Special effects makeup, Sewing, "
        "Runway walk, Barbering, Cosplay, Upcycling, Jewellery making, Body painting, Knitting, Drag, Pattern "
        "making, Posing",
        "Sewing machine, Airbrush, Make-up brushes, Hair dryer",
        "Textiles, Colour theory, Trends, Skin care",
    ),
    _cluster(
        "Words and ideas",
        "Poetry, Public speaking, Slam poetry, Podcasting, Journalism, Teaching, Sign language, Debate, "
        "Translation, Creative writing, Book reviews, Interviewing, Storytime, Décimas, Language teaching, "
        "Reading aloud, Speed reading, Memory sports",
        "Notebook, Microphone, Audacity, Whiteboard",
        "Rhetoric, Literature, Research, Linguistics",
    ),
)

COUNTRIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Colombia": (("Bogotá", "Medellín", "Cali", "Barranquilla", "Cartagena", "Bucaramanga"), ("Español", "English")),
    "México": (("Ciudad de México", "Guadalajara", "Monterrey", "Puebla"), ("Español", "English")),
    "Argentina": (("Buenos Aires", "Córdoba", "Rosario"), ("Español", "Italiano")),
    "España": (("Madrid", "Barcelona", "Sevilla", "Valencia"), ("Español", "Català")),
    "Brasil": (("São Paulo", "Rio de Janeiro", "Salvador"), ("Português", "English")),
    "Perú": (("Lima", "Arequipa"), ("Español", "Quechua")),
    "Chile": (("Santiago", "Valparaíso"), ("Español", "English")),
    "Ecuador": (("Quito", "Guayaquil"), ("Español", "Quechua")),
    "United States": (("Miami", "New York", "Los Angeles"), ("English", "Español")),
    "France": (("Paris", "Lyon"), ("Français", "English")),
}
GIVEN = _words(
    "Ana, Luis, María, Carlos, Sofía, Andrés, Valentina, Mateo, Camila, Juan, Lucía, Diego, Isabella, Santiago, Paula, "
    "Felipe, Gabriela, Tomás, Daniela, Emilio, João, Beatriz, Chloé, Hugo, Emma, Noah, Zoë, Ramón, Inés, Óscar"
)
FAMILY = _words(
    "Gómez, Rodríguez, Pérez, Martínez, Silva, Torres, Ramírez, Castro, Moreno, Rojas, Vargas, Díaz, Souza, Núñez, "
    "Herrera, Jiménez, Ortiz, Muñoz, Álvarez, Ríos, Dupont, Miller, Costa, Quispe, Peña, Salazar, Cárdenas, Ibáñez"
)
TALENTS = ("Artist", "Performer", "Athlete", "Teacher", "Maker", "Entertainer")
OBJECTIVES = ("Find a band", "Paid gigs", "Collaborations", "Learn from others", "Castings", "Build an audience")
HOBBIES = ("Hiking", "Cycling", "Reading", "Video games", "Travelling", "Gardening", "Board games", "Cinema")
