"""CUB-200-2011: 11 788 photographs of 200 species of birds.

Source: Wah et al., 2011, https://www.vision.caltech.edu/datasets/cub_200_2011/. Splits: Chen et
al., 2019, https://arxiv.org/abs/1904.04232; FEAT: Ye et al., 2020,
https://arxiv.org/abs/1812.03664; Meta-Dataset: Triantafillou et al., 2020,
https://arxiv.org/abs/1903.03096, whose split learn2learn has too. TURTLE's authors took 140, 30 and
30 classes in the order in which a file system listed them, which nobody knows. A class is named as
its official folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mlbench.contract import Hyper, Split, hp
from mlbench.images import PackedImages
from mlbench.images.fetch.download import Download
from mlbench.images.layouts import CLASS_FOLDERS, OFFICIAL_CUB, SPLIT_TREES
from mlbench.images.packed import ClassSplit
from mlbench.images.splitting import Amounts

SPECIES = """
    Black_footed_Albatross Laysan_Albatross Sooty_Albatross Groove_billed_Ani Crested_Auklet
    Least_Auklet Parakeet_Auklet Rhinoceros_Auklet Brewer_Blackbird Red_winged_Blackbird
    Rusty_Blackbird Yellow_headed_Blackbird Bobolink Indigo_Bunting Lazuli_Bunting
    Painted_Bunting Cardinal Spotted_Catbird Gray_Catbird Yellow_breasted_Chat Eastern_Towhee
    Chuck_will_Widow Brandt_Cormorant Red_faced_Cormorant Pelagic_Cormorant Bronzed_Cowbird
    Shiny_Cowbird Brown_Creeper American_Crow Fish_Crow Black_billed_Cuckoo Mangrove_Cuckoo
    Yellow_billed_Cuckoo Gray_crowned_Rosy_Finch Purple_Finch Northern_Flicker
    Acadian_Flycatcher Great_Crested_Flycatcher Least_Flycatcher Olive_sided_Flycatcher
    Scissor_tailed_Flycatcher Vermilion_Flycatcher Yellow_bellied_Flycatcher Frigatebird
    Northern_Fulmar Gadwall American_Goldfinch European_Goldfinch Boat_tailed_Grackle
    Eared_Grebe Horned_Grebe Pied_billed_Grebe Western_Grebe Blue_Grosbeak Evening_Grosbeak
    Pine_Grosbeak Rose_breasted_Grosbeak Pigeon_Guillemot California_Gull Glaucous_winged_Gull
    Heermann_Gull Herring_Gull Ivory_Gull Ring_billed_Gull Slaty_backed_Gull Western_Gull
    Anna_Hummingbird Ruby_throated_Hummingbird Rufous_Hummingbird Green_Violetear
    Long_tailed_Jaeger Pomarine_Jaeger Blue_Jay Florida_Jay Green_Jay Dark_eyed_Junco
    Tropical_Kingbird Gray_Kingbird Belted_Kingfisher Green_Kingfisher Pied_Kingfisher
    Ringed_Kingfisher White_breasted_Kingfisher Red_legged_Kittiwake Horned_Lark Pacific_Loon
    Mallard Western_Meadowlark Hooded_Merganser Red_breasted_Merganser Mockingbird Nighthawk
    Clark_Nutcracker White_breasted_Nuthatch Baltimore_Oriole Hooded_Oriole Orchard_Oriole
    Scott_Oriole Ovenbird Brown_Pelican White_Pelican Western_Wood_Pewee Sayornis American_Pipit
    Whip_poor_Will Horned_Puffin Common_Raven White_necked_Raven American_Redstart Geococcyx
    Loggerhead_Shrike Great_Grey_Shrike Baird_Sparrow Black_throated_Sparrow Brewer_Sparrow
    Chipping_Sparrow Clay_colored_Sparrow House_Sparrow Field_Sparrow Fox_Sparrow
    Grasshopper_Sparrow Harris_Sparrow Henslow_Sparrow Le_Conte_Sparrow Lincoln_Sparrow
    Nelson_Sharp_tailed_Sparrow Savannah_Sparrow Seaside_Sparrow Song_Sparrow Tree_Sparrow
    Vesper_Sparrow White_crowned_Sparrow White_throated_Sparrow Cape_Glossy_Starling
    Bank_Swallow Barn_Swallow Cliff_Swallow Tree_Swallow Scarlet_Tanager Summer_Tanager
    Artic_Tern Black_Tern Caspian_Tern Common_Tern Elegant_Tern Forsters_Tern Least_Tern
    Green_tailed_Towhee Brown_Thrasher Sage_Thrasher Black_capped_Vireo Blue_headed_Vireo
    Philadelphia_Vireo Red_eyed_Vireo Warbling_Vireo White_eyed_Vireo Yellow_throated_Vireo
    Bay_breasted_Warbler Black_and_white_Warbler Black_throated_Blue_Warbler Blue_winged_Warbler
    Canada_Warbler Cape_May_Warbler Cerulean_Warbler Chestnut_sided_Warbler
    Golden_winged_Warbler Hooded_Warbler Kentucky_Warbler Magnolia_Warbler Mourning_Warbler
    Myrtle_Warbler Nashville_Warbler Orange_crowned_Warbler Palm_Warbler Pine_Warbler
    Prairie_Warbler Prothonotary_Warbler Swainson_Warbler Tennessee_Warbler Wilson_Warbler
    Worm_eating_Warbler Yellow_Warbler Northern_Waterthrush Louisiana_Waterthrush
    Bohemian_Waxwing Cedar_Waxwing American_Three_toed_Woodpecker Pileated_Woodpecker
    Red_bellied_Woodpecker Red_cockaded_Woodpecker Red_headed_Woodpecker Downy_Woodpecker
    Bewick_Wren Cactus_Wren Carolina_Wren House_Wren Marsh_Wren Rock_Wren Winter_Wren
    Common_Yellowthroat
"""


CLASSES = [f"{number:03}.{species}" for number, species in enumerate(SPECIES.split(), start=1)]

FEAT_TRAIN = """
    3 5 6 8 9 11 13 15 17 19 20 23 25 27 28 31 34 38 41 44 45 46 47 52 55 56 57 60 61 62 63 64 67
    72 74 75 76 81 84 87 90 91 93 94 97 98 99 102 107 108 109 110 112 113 114 119 123 124 125 126
    127 130 131 132 135 137 138 139 140 142 144 145 146 147 150 151 153 154 155 160 161 164 169 171
    176 178 179 180 181 182 183 184 185 186 188 190 195 196 197 198
"""
FEAT_VALIDATION = """
    1 2 4 7 12 14 16 21 24 36 42 43 49 50 51 53 58 65 66 69 70 77 79 85 86 92 95 96 101 103 105 106
    111 117 120 121 122 136 156 157 159 162 163 165 168 172 187 192 199 200
"""
META_VALIDATION = """
    44 51 52 55 57 61 64 66 68 72 76 80 84 96 113 121 127 136 140 145 150 155 159 162 172 176 178
    198 199 200
"""
META_TEST = """
    8 9 15 20 28 30 35 39 45 46 82 85 94 101 103 112 118 122 128 133 134 137 147 148 163 168 169 170
    193 194
"""


def by_number(train: set[int], validation: set[int]) -> dict[str, Split]:
    """Return the split of each class, from the numbers of those to train and to validate on."""

    def split_of(number: int) -> Split:
        return "train" if number in train else "validation" if number in validation else "test"

    return {name: split_of(number) for number, name in enumerate(CLASSES, start=1)}


def numbers(text: str) -> set[int]:
    """Return the numbers of a list."""
    return set(map(int, text.split()))


ALL = set(range(1, 201))
RELEASED = Amounts({"train": Decimal(140), "validation": Decimal(30), "test": None})
META = by_number(ALL - numbers(META_VALIDATION) - numbers(META_TEST), numbers(META_VALIDATION))


@dataclass(frozen=True, kw_only=True)
class CubOptions(Hyper):
    """Which species are for what; every published split is another, and so are its results."""

    split: str = hp(
        "chen",
        "whose split; released: as many classes as the authors' code takes, not the same ones",
        one_of=("chen", "feat", "learn2learn", "meta_dataset", "released"),
        when={"released": "released"},
    )


class Cub(PackedImages):
    """200 species: 100 to train on, 50 to validate and 50 to test, as Chen et al. chose them."""

    name = "cub"
    source = "Wah et al., 2011, https://www.vision.caltech.edu/datasets/cub_200_2011/"
    Options = CubOptions
    licence = "for non-commercial research and education"
    obtain = "CUB_200_2011.tgz (1.1 GB) from https://data.caltech.edu/records/65de6-vp158"
    layouts = (OFFICIAL_CUB, CLASS_FOLDERS, SPLIT_TREES)
    downloads = (
        Download(
            url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            md5="97eceeb196236b17998738112f37df78",
            bytes=1_150_585_339,
        ),
    )
    class_splits = (
        ClassSplit(
            "chen",
            "Chen et al., 2019",
            # In their order, every second class is base; the others are val and novel in turn.
            by_number(set(range(1, 201, 2)), set(range(2, 201, 4))),
        ),
        ClassSplit(
            "feat", "Ye et al., 2020", by_number(numbers(FEAT_TRAIN), numbers(FEAT_VALIDATION))
        ),
        ClassSplit("learn2learn", "learn2learn, as Triantafillou et al., 2020", META),
        ClassSplit("meta_dataset", "Triantafillou et al., 2020", META),
        ClassSplit(
            "released",
            "140/30/30, as in the authors' code, in the order of hashed names",
            RELEASED.assign(CLASSES),
        ),
    )
    images = 11_788
    originals_vary = True
