"""The whole road from files in folders, by Python: six short made-up videos of two kinds, and a tiny net."""

import tempfile
from pathlib import Path

import numpy as np

import whenabouts
from whenabouts.media.writing import write_video

folder = Path(tempfile.mkdtemp())
for number in range(6):
    kind = ("rising", "falling")[number % 2]
    path = folder / "videos" / kind / f"{number}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for frame in range(60):  # for the middle second, a bright bar moves up or down
        picture = np.full((48, 64, 3), 40, np.uint8)
        if 20 <= frame < 40:
            row = 2 * (frame - 20)
            picture[row if kind == "falling" else 44 - row :][:4] = 220
        pictures.append(picture)
    write_video(path, pictures, [frame / 20 for frame in range(60)])

home = {"project": folder / "project"}
tiny = ["backbone.widths=[4]", "backbone.blocks=[1]", "backbone.stem=4", "backbone.short_side=32",
        "pretrain.steps=3", "pretrain.batch=4"]  # fmt: skip
print(whenabouts.import_("folders", folder / "videos", min_count=1, **home)["concepts"], "concepts")
whenabouts.pretrain(overrides=tiny, device="cpu", **home)
print(whenabouts.extract(device="cpu", **home)["written"], "videos have features")
whenabouts.train(localizer="winners-out", overrides=["train.epochs=5"], **home)
found = whenabouts.find("rising", **home)
print(found["moments"], "moments, the best of 'rising':", found["best"][:1])
print(whenabouts.export(folder / "moments.otio", **home)["videos"], "videos in the timeline")
