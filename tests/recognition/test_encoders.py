"""Published encoders by tiny nets of each family, saved as publishers save them: features, windows, refusals, words."""

import importlib.util
import json
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whenabouts import cli
from whenabouts.core.errors import FeatureMismatch, InvalidData, ProjectError, SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid, nearest_frame
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Manifest
from whenabouts.data.project import Project
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Encoding, write_video
from whenabouts.recognition.encoder_clips import EncoderClips, Patches, ShortSide, Whole, read_clips
from whenabouts.recognition.encoder_families import ENCODER_FAMILIES
from whenabouts.recognition.encoder_files import encoder_files, is_encoder
from whenabouts.recognition.encoder_preparation import EncoderSettings
from whenabouts.recognition.encoders import load_encoder, saved_encoder
from whenabouts.recognition.streams import ExtractSettings
from whenabouts.recognition.window_encoder import windows_taken
from whenabouts.recognition.zero_shot import ZeroShot
from whenabouts.training.devices import choose_compute

transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'whenabouts[encoders]'")

WIDE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
SEEN = {**WIDE, "image_size": 32, "patch_size": 8}
READ = {
    **WIDE,
    "vocab_size": 40,
    "max_position_embeddings": 12,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
JEPA = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_ratio": 2, "crop_size": 32,
        "patch_size": 8, "frames_per_clip": 4, "tubelet_size": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
        "pred_num_attention_heads": 4, "pred_num_mask_tokens": 2}  # fmt: skip
PRISM = {**WIDE, "image_size": 32, "num_frames": 4, "tubelet_size": [1, 8, 8], "num_spatial_layers": 1,
         "num_temporal_layers": 1, "num_auxiliary_layers": 1}  # fmt: skip
DINO = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
XSEEN = {**SEEN, "num_frames": 4, "mit_hidden_size": 24, "mit_intermediate_size": 48, "mit_num_hidden_layers": 1,
         "mit_num_attention_heads": 4}  # fmt: skip
READ24 = {**READ, "projection_dim": 24}

# What a family's config is made of, and the width of its features.
TINY: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "clip": ("CLIPModel", "CLIPConfig",
             {"text_config": READ24, "vision_config": {**SEEN, "projection_dim": 24}, "projection_dim": 24}, 24),
    "siglip": ("SiglipModel", "SiglipConfig", {"text_config": READ, "vision_config": SEEN}, 32),
    "siglip2": ("Siglip2Model", "Siglip2Config",
                {"text_config": READ, "vision_config": {**WIDE, "patch_size": 8, "num_patches": 16}}, 32),
    "xclip": ("XCLIPModel", "XCLIPConfig",
              {"text_config": READ24, "vision_config": {**XSEEN, "projection_dim": 24}, "projection_dim": 24,
               "prompt_layers": 1, "prompt_num_attention_heads": 4}, 24),
    "videomae": ("VideoMAEModel", "VideoMAEConfig", {**SEEN, "num_frames": 4, "tubelet_size": 2}, 32),
    "videomae classifier": ("VideoMAEForVideoClassification", "VideoMAEConfig",
                            {**SEEN, "num_frames": 4, "tubelet_size": 2, "num_labels": 3}, 32),
    "vjepa2": ("VJEPA2Model", "VJEPA2Config", JEPA, 32),
    "vjepa2 classifier": ("VJEPA2ForVideoClassification", "VJEPA2Config",
                          {**JEPA, "num_labels": 3, "num_pooler_layers": 1}, 32),
    "videoprism_vision_model": ("VideoPrismVisionModel", "VideoPrismVisionConfig", PRISM, 32),
    "videoprism": ("VideoPrismClipModel", "VideoPrismConfig", {"text_config": READ, "vision_config": PRISM}, 32),
    "dinov2": ("Dinov2Model", "Dinov2Config", DINO, 32),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", DINO, 32),
    "dinov3_vit": ("DINOv3ViTModel", "DINOv3ViTConfig", {**DINO, "intermediate_size": 48}, 32),
    "dinov3_convnext": ("DINOv3ConvNextModel", "DINOv3ConvNextConfig",
                        {"hidden_sizes": [8, 8, 16, 32], "depths": [1, 1, 1, 1], "image_size": 32}, 32),
}  # fmt: skip
WORDS = ("clip", "siglip", "siglip2", "xclip", "videoprism")


def preprocessor(name: str) -> dict[str, Any]:
    told: dict[str, Any] = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]}
    if name == "siglip2":
        return {**told, "patch_size": 8, "max_num_patches": 16}
    square = {"height": 32, "width": 32}
    if name in ("clip", "xclip") or "videomae" in name or "dinov2" in name:
        return {**told, "size": {"shortest_edge": 32}, "crop_size": square, "do_center_crop": True}
    if "vjepa2" in name:
        return {**told, "crop_size": square, "do_center_crop": True}
    return {**told, "size": square}


def save(name: str, folder: Path) -> Path:
    """A tiny net with random weights and its preprocessor's file, as a publisher leaves them."""
    model, config, shape, _ = TINY[name]
    torch.manual_seed(3)
    net = getattr(transformers, model)(getattr(transformers, config)(**shape))
    net.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor(name)))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A tiny net\n")
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root, made = tmp_path_factory.mktemp("encoders"), {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = save(name, root / name.replace(" ", "-"))
        return made[name]

    return get


def windows(form: Any, count: int, seed: int = 0) -> np.ndarray:
    size = form.size if isinstance(form.size, tuple) else form.size.of(60, 80)
    size = size if form.crop is None else (form.crop, form.crop)
    return np.random.default_rng(seed).integers(0, 256, (count, form.pictures, *size, 3), np.uint8)


@pytest.mark.parametrize("name", TINY)
def test_every_family_gives_features(name: str, saved: Callable[[str], Path]) -> None:
    encoder = load_encoder(str(saved(name)))
    assert encoder.width == TINY[name][3]
    given = windows(encoder.form, 3)
    vectors = encoder.vectors_on(choose_compute("cpu", "float32"))
    found = vectors(given)
    assert (found.shape, found.dtype) == ((3, encoder.width), np.float32)
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=0).max() > 1e-4  # Other pictures, other features.
    np.testing.assert_allclose(vectors(given[1:2]), found[1:2], atol=1e-5)  # Whoever else is in the batch.
    np.testing.assert_array_equal(vectors(given), found)
    again = load_encoder(str(saved(name)))
    assert again.source == encoder.source
    card = encoder.card()
    assert (card["licence"], card["width"], card["modality"]) == ("apache-2.0", encoder.width, name.split()[0])
    json.dumps(card)


def test_every_family_is_tried() -> None:
    assert {name.split()[0] for name in TINY} == set(ENCODER_FAMILIES)


def test_features_are_those_of_the_model_itself(saved: Callable[[str], Path]) -> None:
    """By hand: pictures scaled and coloured, then the model; those of pictures are averaged over a window."""
    encoder = load_encoder(str(saved("siglip")), EncoderSettings(frames=2, rate=4.0))
    assert encoder.form.window_seconds == 0.5
    given = windows(encoder.form, 2)
    pictures = (torch.from_numpy(given).float() / 255 - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.5, 0.25, 0.2])
    model = transformers.SiglipModel.from_pretrained(saved("siglip")).eval()
    with torch.inference_mode():
        each = model.get_image_features(pixel_values=pictures.flatten(0, 1).permute(0, 3, 1, 2)).pooler_output
    expected = each.reshape(2, 2, -1).mean(dim=1).numpy()
    np.testing.assert_allclose(encoder.vectors_on(choose_compute("cpu", "float32"))(given), expected, atol=1e-5)


def test_sizes_are_the_preprocessors() -> None:
    assert Whole(32, 40).of(99, 7) == (32, 40)
    assert ShortSide(224).of(480, 640) == (224, 298)
    assert ShortSide(224).of(640, 480) == (298, 224)
    rows, columns = (side // 16 for side in Patches(16, 256).of(480, 640))
    assert rows * columns <= 256 < (rows + 1) * (columns + 1)
    assert Patches(8, 16).of(10, 1000)[0] == 8


def test_the_middle_is_cut_and_colours_are_scaled_by_hand() -> None:
    clips = EncoderClips("x", 1, 1.0, Whole(2, 4), crop=(2, 2), mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    pictures = torch.arange(24, dtype=torch.uint8).reshape(1, 1, 2, 4, 3)
    assert (clips.form.crop, clips.form.size) == (2, (2, 4))
    made = clips.test(pictures[:, :, :, 1:3])  # the decoder cuts squares
    assert made.shape == (1, 3, 1, 2, 2)
    middle = pictures[0, 0, :, 1:3].float() / 255
    oblong = replace(clips, size=Whole(2, 4), crop=(1, 2))
    assert oblong.form.crop is None
    torch.testing.assert_close(oblong.test(pictures), made[..., :1, :])
    for colour, (mean, std) in enumerate([(0.1, 0.5), (0.2, 1.0), (0.3, 2.0)]):
        torch.testing.assert_close(made[0, colour, 0], (middle[..., colour] - mean) / std)
    small = EncoderClips("x", 1, 1.0, Whole(1, 1), crop=(2, 3)).test(
        torch.full((1, 1, 1, 1, 3), 255, dtype=torch.uint8)
    )
    assert small[0, 0, 0].tolist() == [[0, 0, 0], [0, 1, 0]]  # Black all round, as Hugging Face pads.


def test_odd_preprocessors_are_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    told = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    with pytest.raises(InvalidData, match="can't be understood"):
        read_clips(told, modality="x", frames=1, rate=1.0)
    with pytest.raises(InvalidData, match="not resized"):
        _ = read_clips({**told, "do_resize": False}, modality="x", frames=1, rate=1.0).form
    whole = {**told, "size": {"height": 8, "width": 8}}
    assert read_clips({**whole, "size": {**whole["size"], "shortest_edge": None}}, modality="x", frames=1, rate=1.0)
    for odd in ({"size": {"height": 0, "width": 8}}, {"size": {"shortest_edge": 10**9}}, {"image_std": [0.5, 0, 1]},
                {"image_std": [float("nan")] * 3}, {"rescale_factor": float("inf")},
                {"crop_size": -3, "do_center_crop": True}, {"patch_size": 0, "max_num_patches": 4},
                {"patch_size": 8, "max_num_patches": 10**12}):  # fmt: skip
        with pytest.raises(InvalidData):
            read_clips({**whole, **odd}, modality="x", frames=1, rate=1.0)
    for frames, rate in ((0, 1.0), (10**9, 1.0), (1, 1e12), (1, float("nan"))):
        with pytest.raises(InvalidData, match="need 1 to"):
            read_clips(whole, modality="x", frames=frames, rate=rate)
    odd_jepa = save("vjepa2", tmp_path / "jepa")
    (odd_jepa / "preprocessor_config.json").write_text(json.dumps({**preprocessor("vjepa2"), "crop_size": {}}))
    with pytest.raises(InvalidData, match="not a side"):
        load_encoder(str(odd_jepa))
    folder = save("clip", tmp_path / "clip")
    (folder / "preprocessor_config.json").write_text(json.dumps({**preprocessor("clip"), "crop_size": 24}))
    with pytest.raises(InvalidData, match="its net takes pictures of"):
        load_encoder(str(folder))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ProjectError, match=r"has no preprocessor_config\.json"):
        load_encoder(str(folder))


def test_what_could_run_or_is_not_whole_is_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    folder = save("dinov2", tmp_path / "dino")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ProjectError, match=r"no model\.safetensors"):
        load_encoder(str(folder))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InvalidData, match="can run code"):
        load_encoder(str(folder))
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InvalidData, match="can't be read as Dinov2Model"):
        load_encoder(str(folder))
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidData, match="can't be read"):
        load_encoder(str(folder))
    config = json.loads((folder / "config.json").read_text())
    for odd in ({"quantization_config": {"quant_method": "gptq"}}, {"attn_implementation": "kernels-community/x"}):
        (folder / "config.json").write_text(json.dumps({**config, **odd}))
        with pytest.raises(InvalidData, match="refused"):
            load_encoder(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "dinov4"}))
    with pytest.raises(SettingsError, match="dinov2"):
        load_encoder(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ProjectError, match=r"has no config\.json"):
        load_encoder(str(folder))
    assert not (tmp_path / "ran").exists()


def test_missing_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save("dinov2", tmp_path / "dino")
    tensors = load_file(folder / "model.safetensors")
    name = next(key for key in tensors if key.endswith("attention.query.weight"))
    save_file({key: value for key, value in tensors.items() if key != name}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(InvalidData, match="1 are missing"):
        load_encoder(str(folder))
    save_file({**tensors, name: torch.full_like(tensors[name], torch.nan)}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(InvalidData, match="not finite"):
        load_encoder(str(folder))


def test_offline_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def nothing(*_: Any, **__: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    with pytest.raises(ProjectError, match=r"google/siglip2-base.*config\.json, model\.safetensors.*one folder"):
        load_encoder("google/siglip2-base-patch16-224")
    with pytest.raises(SettingsError, match="neither a folder nor a name"):
        load_encoder("no name")


def test_a_name_on_the_hub_is_fetched_as_safetensors_alone(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def fetched(repository: str, **how: Any) -> str:
        asked.update(how, repository=repository)
        return str(saved("dinov2"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    encoder = load_encoder("owner/model@v2")
    assert (asked["repository"], asked["revision"]) == ("owner/model", "v2")
    assert not any(pattern.endswith((".bin", ".pt", ".py", ".pth")) for pattern in asked["allow_patterns"])
    assert encoder.source.startswith("owner/model@v2@")


def test_frames_that_a_net_can_not_take(saved: Callable[[str], Path]) -> None:
    with pytest.raises(SettingsError, match="takes 4 frames"):
        load_encoder(str(saved("videomae")), EncoderSettings(frames=5))
    with pytest.raises(SettingsError, match="multiple of 2"):
        load_encoder(str(saved("vjepa2")), EncoderSettings(frames=3))
    assert load_encoder(str(saved("vjepa2")), EncoderSettings(frames=8)).form.pictures == 8


def test_which_is_an_encoder(saved: Callable[[str], Path], tmp_path: Path) -> None:
    assert is_encoder(str(saved("clip")))
    assert is_encoder("google/siglip2-base-patch16-224@main")
    assert not is_encoder("r2plus1d_34_ig65m_32f")
    assert not is_encoder(str(tmp_path))
    assert encoder_files(str(saved("clip"))).licence == "apache-2.0"


def with_words(folder: Path) -> Path:
    """A tokenizer of whole words, as a publisher saves one."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    words = ["<s>", "</s>", "<unk>", "a", "video", "of", "diving", "running", "cat"]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="</s>",
                                                eos_token="</s>", bos_token="<s>")  # fmt: skip
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", WORDS)
def test_words_and_pictures_meet(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "siglip2":  # transformers reads its words by Gemma's rules, which a list of words does not follow.
        fast = transformers.PreTrainedTokenizerFast
        monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fast.from_pretrained)
    encoder = load_encoder(str(with_words(save(name, tmp_path / name))), words=True)
    vocabulary = Vocabulary(("diving", "running", "cat"), descriptions={"cat": "a cat running"})
    words = ZeroShot.of(encoder, vocabulary)
    np.testing.assert_allclose(np.linalg.norm(words.vectors, axis=1), 1, atol=1e-5)
    assert np.abs(words.vectors[0] - words.vectors[1]).max() > 1e-4
    vectors = encoder.vectors_on(choose_compute("cpu", "float32"))(windows(encoder.form, 4))
    grid = TimeGrid(0.0, 0.5, 0.5, 4, 2.0)
    scores = words.scores(FeatureSequence("v", vectors, grid, name, encoder.source))
    assert ((scores.scores >= 0) & (scores.scores <= 1)).all()
    assert (words.bias is not None) == name.startswith("siglip")
    if words.bias is None:
        rest = 1 - scores.scores.sum(axis=1)  # what speaks of none of them
        assert ((rest > 0) & (rest < 1)).all()
        alone = ZeroShot.of(encoder, Vocabulary(("diving",)))
        assert alone.scores(FeatureSequence("v", vectors, grid, name, encoder.source)).scores.max() < 1
    cosine = (vectors[0] / np.linalg.norm(vectors[0])) @ words.vectors[1]
    other = (vectors[0] / np.linalg.norm(vectors[0])) @ words.vectors[0]
    assert (scores.scores[0, 1] > scores.scores[0, 0]) == (cosine > other)
    with pytest.raises(FeatureMismatch):
        words.scores(FeatureSequence("v", vectors, grid, name, "another"))


def test_words_need_a_net_that_reads_and_a_tokenizer(saved: Callable[[str], Path], tmp_path: Path) -> None:
    vocabulary = Vocabulary(("diving",))
    with pytest.raises(SettingsError, match="read no words"):
        ZeroShot.of(load_encoder(str(saved("dinov2"))), vocabulary)
    with pytest.raises(InvalidData, match="has no tokenizer"):
        ZeroShot.of(load_encoder(str(saved("clip")), words=True), vocabulary)
    odd = load_encoder(str(with_words(save("clip", tmp_path / "odd"))), words=True)
    with pytest.raises(InvalidData, match="different texts as"):
        ZeroShot.of(odd, Vocabulary(("zebra", "lion")))


def test_the_row_of_zero_shot_scores_runs_where_weights_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "zero_shot.py"
    spec = importlib.util.spec_from_file_location("zero_shot_row", path)
    assert spec is not None
    assert spec.loader is not None
    row = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(row)
    (tmp_path / "videos" / "diving").mkdir(parents=True)
    for number in range(2):
        random = np.random.default_rng(number)
        pictures = [random.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(30)]
        write_video(tmp_path / "videos" / "diving" / f"{number}.mp4", pictures, [k / 10 for k in range(30)],
                    encoding=Encoding(options={"preset": "ultrafast"}))  # fmt: skip
    project = Project.create(tmp_path / "p")
    for words in (["folders", str(tmp_path / "videos"), "--min-count", "1"],
                  ["folders", str(tmp_path / "videos"), "--split", "test"]):  # fmt: skip
        monkeypatch.setattr("sys.argv", ["whenabouts", "import", *words, "--project", str(project.folder)])
        with pytest.raises(SystemExit):
            cli.main()
    entries = [replace(entry, split="test") for entry in project.manifest()]
    project.write_manifest(Manifest(tuple(entries)))
    truth = {entry.id: {"subset": "test", "duration": 3.0,
                        "annotations": [{"segment": [0.5, 2.0], "label": "diving"}]} for entry in entries}  # fmt: skip
    project.truth_path.write_text(json.dumps({"version": "1", "taxonomy": [], "database": truth}))
    folder = with_words(save("siglip", tmp_path / "tiny"))
    for words in (["--encoder", str(folder)], []):
        monkeypatch.setattr("sys.argv", ["zero_shot.py", str(project.folder), "--out", str(tmp_path), *words])
        row.main()
    out = capsys.readouterr().out
    assert re.search(r"zero-shot, tiny@\w{16}: average mAP \d+\.\d", out)
    assert "not run: no weights" in out


def test_extract_takes_an_encoder(
    saved: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As typed: features under the encoder's kind as stream, done once, and refused when its files have changed."""
    (tmp_path / "videos" / "x").mkdir(parents=True)
    pictures = [np.random.default_rng(k // 5).integers(0, 255, (48, 64, 3), np.uint8) for k in range(20)]
    write_video(tmp_path / "videos" / "x" / "one.mp4", pictures, [k / 10 for k in range(20)],
                encoding=Encoding(options={"preset": "ultrafast"}))  # fmt: skip
    folder = save("clip", tmp_path / "tiny-clip")

    def typed(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words), "--project", str(tmp_path / "p")])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    assert typed("import", "folders", tmp_path / "videos", "--min-count", 1)[0] == 0
    code, out, err = typed("extract", "--backbone", folder, "--device", "cpu", "--json")
    assert code == 0, err
    assert json.loads(out)["written"] == 1
    store = Project(tmp_path / "p").features()
    features = store.read("x/one", "clip")
    assert (features.width, len(features)) == (24, 3)
    assert features.source == saved_encoder(tmp_path / "p" / "models" / "backbone-clip").source
    code, out, err = typed("extract", "--json")
    assert (code, json.loads(out)["written"]) == (0, 0), err
    assert typed("check")[0] in (0, 1)
    code, _, err = typed("pretrain", "--start", folder)
    assert code != 0
    assert "used as it is" in err
    (folder / "preprocessor_config.json").write_text(json.dumps({**preprocessor("clip"), "image_mean": [0.1] * 3}))
    code, _, err = typed("extract")
    assert code != 0
    assert "Put the old files back" in err
    folder.rename(tmp_path / "elsewhere")
    code, _, err = typed("extract")
    assert code != 0
    assert "not there any more" in err


def typed_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: Path, *words: object
) -> Any:
    """What `whenabouts ...` in a project says as JSON; where it fails, its words on the error stream."""
    monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words), "--project", str(project)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return err if left.value.code else json.loads(out) if "--json" in words else out


def one_video(folder: Path, height: int = 48, width: int = 64) -> Path:
    (folder / "videos" / "x").mkdir(parents=True)
    pictures = [np.random.default_rng(k // 5).integers(0, 255, (height, width, 3), np.uint8) for k in range(20)]
    write_video(folder / "videos" / "x" / "one.mp4", pictures, [k / 10 for k in range(20)],
                encoding=Encoding(options={"preset": "ultrafast"}))  # fmt: skip
    return folder / "videos"


def test_whole_pictures_go_through_encoders_that_take_any_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DINO takes all of a picture; CLIP, whose positions are learned, refuses by name before anything is decoded."""
    home = tmp_path / "p"
    assert "Wrote" in typed_line(monkeypatch, capsys, home, "import", "folders", one_video(tmp_path), "--min-count", 1)
    dino = save("dinov2", tmp_path / "tiny-dino")
    own = typed_line(monkeypatch, capsys, home, "extract", "--backbone", dino, "--device", "cpu", "--json")
    cropped = Project(home).features().read("x/one", "dinov2")
    whole = typed_line(monkeypatch, capsys, home, "extract", "--device", "cpu", "--json", "--set", "extract.whole=true")
    seen = Project(home).features().read("x/one", "dinov2")
    assert (own["written"], whole["written"]) == (1, 1)
    assert seen.source.startswith(cropped.source + "~")
    encoder = load_encoder(str(dino))
    assert (encoder.form.crop, encoder.form.size.of(48, 64)) == (32, (32, 42))  # type: ignore[union-attr]
    frames = np.stack([pixels for _, pixels in VideoReader(tmp_path / "videos/x/one.mp4", rate=2.0, size=(32, 42))])
    vectors = encoder.vectors_on(choose_compute("cpu", "auto"))
    given = frames[nearest_frame(float(seen.grid.begin(1)), 2.0)][None, None]
    np.testing.assert_allclose(seen.values[1:2], vectors(given), rtol=0.02, atol=0.02)
    np.testing.assert_allclose(cropped.values[1:2], vectors(given[:, :, :, 5:37]), rtol=0.02, atol=0.02)
    assert np.abs(seen.values[1] - cropped.values[1]).max() > 0.02
    clip = save("clip", tmp_path / "tiny-clip")
    for setting in ("extract.whole=true", "extract.short_side=40"):
        words = ("extract", "--backbone", clip, "--modality", "clip", "--device", "cpu", "--set", setting)
        said = typed_line(monkeypatch, capsys, home, *words)
        assert "takes pictures of one size (32 pixels)" in said
        assert setting.partition("=")[0] in said


@pytest.mark.parametrize("name", ["clip", "siglip", "xclip", "videomae", "vjepa2", "videoprism"])
def test_nets_of_one_size_refuse_another(name: str, saved: Callable[[str], Path]) -> None:
    own = load_encoder(str(saved(name))).form
    for asked in ({"whole": True}, {"short_side": 64}):
        with pytest.raises(SettingsError, match="one size"):
            ExtractSettings(**asked).form_of(own)  # type: ignore[arg-type]
    assert ExtractSettings(window_seconds=8.0).form_of(own).window_seconds == pytest.approx(8.0)
    assert own.one_length == (name not in ("clip", "siglip", "vjepa2"))
    if own.one_length:
        with pytest.raises(SettingsError, match=r"windows of 4 pictures.*extract\.window_seconds 0\.4"):
            ExtractSettings(rate=10.0).form_of(own)
        assert ExtractSettings(rate=10.0, window_seconds=0.4).form_of(own).window_seconds == pytest.approx(0.4)


def test_pictures_that_are_filled_up_with_black_keep_their_size(tmp_path: Path) -> None:
    folder = save("dinov2", tmp_path / "dino")
    told = {**preprocessor("dinov2"), "size": {"shortest_edge": 24}}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    encoder = load_encoder(str(folder))
    assert (encoder.clips.decoded_crop, encoder.form.crop, encoder.form.one_size) == (None, None, True)
    assert np.isfinite(encoder.vectors_on(choose_compute("cpu", "float32"))(windows(encoder.form, 1))).all()


def test_patches_of_any_picture_and_of_no_other_side(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """SigLIP 2 leaves the last pixels of other sizes out; a preprocessor of other patches than the net's is refused."""
    encoder = load_encoder(str(saved("siglip2")))
    vectors = encoder.vectors_on(choose_compute("cpu", "float32"))
    given = np.random.default_rng(1).integers(0, 256, (2, 1, 29, 39, 3), np.uint8)
    np.testing.assert_allclose(vectors(given), vectors(given[:, :, :24, :32]), atol=1e-5)
    with pytest.raises(SettingsError, match=r"hold no patch of 8.*extract\.short_side"):
        vectors(given[:, :, :7])
    folder = save("siglip2", tmp_path / "odd")
    (folder / "preprocessor_config.json").write_text(json.dumps({**preprocessor("siglip2"), "patch_size": 4}))
    with pytest.raises(InvalidData, match=r"takes patches of 8 pixels.*such of 4"):
        load_encoder(str(folder))


def test_positions_counted_on_another_grid_are_refused(tmp_path: Path) -> None:
    """V-JEPA 2 would number a larger picture's places wrongly, and say nothing."""
    folder = save("vjepa2", tmp_path / "jepa")
    told = {**preprocessor("vjepa2"), "crop_size": {"height": 48, "width": 48}}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    with pytest.raises(InvalidData, match="its net takes pictures of"):
        load_encoder(str(folder))


def test_what_a_net_can_not_take_is_told_with_what_to_change(saved: Callable[[str], Path]) -> None:
    encoder = load_encoder(str(saved("videomae")))
    vectors = encoder.vectors_on(choose_compute("cpu", "float32"))
    with pytest.raises(SettingsError, match=r"can't take these windows.*extract\.rate"):
        vectors(windows(encoder.form, 1)[:, :2])
    for error, told in ((MemoryError(), "extract.batch"), (RuntimeError("CUDA out of memory"), "extract.batch"),
                        (RuntimeError("sizes differ"), "extract.short_side"), (IndexError("17"), "17")):  # fmt: skip
        with pytest.raises(SettingsError, match=re.escape(told)), windows_taken("net@1"):
            raise error
    with pytest.raises(RuntimeError, match="device-side"), windows_taken("net@1"):
        raise RuntimeError("CUDA error: device-side assert triggered")


def test_folders_that_reach_elsewhere_or_ask_for_too_much_are_refused(tmp_path: Path) -> None:
    folder = save("dinov2", tmp_path / "dino")
    adapter = folder / "adapter_config.json"
    adapter.write_text(json.dumps({"base_model_name_or_path": "someone/else"}))
    with pytest.raises(InvalidData, match=r"adapter_config\.json changes the net"):
        load_encoder(str(folder))
    adapter.unlink()
    config = json.loads((folder / "config.json").read_text())
    for odd, told in (({"num_hidden_layers": 10**7}, "num_hidden_layers"), ({"hidden_size": 10**12}, "hidden_size"),
                      ({"vision_config": {"image_size": [10**9, 4]}}, "image_size")):  # fmt: skip
        (folder / "config.json").write_text(json.dumps({**config, **odd}))
        with pytest.raises(InvalidData, match=f"{told}.*which no net read here has"):
            load_encoder(str(folder))
    (folder / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(InvalidData, match="not JSON"):
        load_encoder(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "x": "y" * 21_000_000}))
    with pytest.raises(InvalidData, match="21 MB"):
        load_encoder(str(folder))
    (folder / "config.json").write_text(json.dumps(config))
    index = {"weight_map": {"a": "../other/model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ProjectError, match=r"lacks \.\./other"):
        load_encoder(str(folder))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_weights_are_files_or_links_to_files(tmp_path: Path) -> None:
    """The hub's cache is made of links; a pipe, which would never end, and a link to a device are none of weights."""
    folder = save("dinov2", tmp_path / "dino")
    weights = folder / "model.safetensors"
    kept = weights.rename(tmp_path / "blob")
    weights.symlink_to(kept)
    assert load_encoder(str(folder)).width == 32
    weights.unlink()
    os.mkfifo(weights)
    with pytest.raises(ProjectError, match=r"no model\.safetensors"):
        load_encoder(str(folder))
    weights.unlink()
    weights.symlink_to("/dev/zero")
    with pytest.raises(ProjectError, match=r"no model\.safetensors"):
        load_encoder(str(folder))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int8])
def test_weights_of_other_formats_become_float32_or_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    from safetensors.torch import load_file, save_file

    folder = save("dinov2", tmp_path / "dino")
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if dtype == torch.int8:
        with pytest.raises(InvalidData, match=r"stored as I8\. Quantised"):
            load_encoder(str(folder))
        return
    encoder = load_encoder(str(folder))
    assert {parameter.dtype for parameter in encoder.net.parameters()} == {torch.float32}
