import hashlib

import pytest
import torch
from torch import nn

from impasto.errors import TrainingError, UsageError
from impasto.nn.vgg import BLOCKS, VGGFeatures
from impasto.nn.weights import load_loss_network


def torchvision_layers(architecture, widths=(4, 6, 8, 8, 8)):
    """torchvision's `features` as it builds them: the independent oracle."""
    layers, channels = [], 3
    for width, count in zip(widths, BLOCKS[architecture], strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def state_dict(features):
    return {f"features.{key}": value for key, value in features.state_dict().items()}


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_features_are_torchvisions(architecture):
    features = torchvision_layers(architecture)
    network = VGGFeatures(state_dict(features))
    assert network.architecture == architecture
    image = torch.rand(1, 3, 40, 48)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    expected, names = {}, iter(network.layers)
    for layer in features:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            expected[next(names)] = x
    found = network(image, network.layers)
    assert [*found] == [*expected]
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_caffe_weights_get_bgr_in_0_to_255():
    features = torchvision_layers("vgg16")
    network = VGGFeatures(state_dict(features), convention="caffe")
    image = torch.rand(1, 3, 8, 8)
    bgr = 255 * image.flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    torch.testing.assert_close(network(image, ["relu1_1"])["relu1_1"], features[:2](bgr), rtol=1e-4, atol=1e-3)


def test_average_pooling_for_gatys():
    features = torchvision_layers("vgg16")
    average = VGGFeatures(state_dict(features), pooling="average")
    image = torch.rand(1, 3, 16, 16)
    inner = average(image, ["relu1_2", "relu2_1"])
    expected = features[5:7](nn.functional.avg_pool2d(inner["relu1_2"], 2))
    torch.testing.assert_close(inner["relu2_1"], expected)


def test_nothing_deeper_than_asked_is_computed():
    network = VGGFeatures(state_dict(torchvision_layers("vgg16")))
    network.conv4_1_weight = None  # would fail if touched
    assert {*network(torch.rand(1, 3, 16, 16), ["relu3_3", "relu1_2"])} == {"relu1_2", "relu3_3"}


@pytest.mark.usefixtures("real_loss_network")
def test_the_built_in_network_is_vgg16():
    network, record = load_loss_network()
    assert record["architecture"] == "vgg16"
    assert record["sha256"] == hashlib.sha256(packaged_file().read_bytes()).hexdigest()
    assert sum(buffer.numel() for name, buffer in network.named_buffers() if "conv" in name) == 14_714_688
    assert not list(network.parameters())  # nothing of it is trained


def packaged_file():
    from impasto.files import training_data

    return training_data("vgg16_conv_fp16.safetensors")


def test_a_users_weights_by_path(tmp_path):
    features = torchvision_layers("vgg19")
    torch.save(state_dict(features), tmp_path / "vgg19.pth")
    torch.save(state_dict(features), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load_loss_network(tmp_path / "old.pth")[0].architecture == "vgg19"  # torchvision's own files are such
    network, record = load_loss_network(tmp_path / "vgg19.pth")
    assert network.architecture == record["architecture"] == "vgg19"
    assert record["file"] == "vgg19.pth"


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("kind", ["missing", "text", "pickle", "other", "folder", "cut", "cut zip", "bias"])
def test_bad_weights_are_one_clear_line(tmp_path, kind, capsys):
    path = tmp_path / "weights.pth"
    if kind == "text":
        path.write_text("hello")
    elif kind == "pickle":
        torch.save({"features.0.weight": Evil()}, path)
    elif kind == "other":
        torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "cut":
        whole = packaged_file().read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "cut zip":
        torch.save(state_dict(torchvision_layers("vgg16")), path)
        path.write_bytes(path.read_bytes()[:3000])
    elif kind == "bias":
        torch.save({**state_dict(torchvision_layers("vgg16")), "features.0.bias": torch.zeros(5)}, path)
    with pytest.raises(TrainingError) as error:
        load_loss_network(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert "code ran" not in capsys.readouterr().out


def test_layers_of_smaller_pictures_are_those_of_the_picture_averaged():
    network = VGGFeatures(state_dict(torchvision_layers("vgg16")))
    picture = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    found = network(picture, ["relu1_2", "relu3_1/2", "relu2_2/4"])
    for layer, name, scale in (("relu1_2", "relu1_2", 1), ("relu3_1/2", "relu3_1", 2), ("relu2_2/4", "relu2_2", 4)):
        rows = picture.reshape(1, 3, 48 // scale, scale, 64 // scale, scale).mean(dim=(3, 5))
        torch.testing.assert_close(found[layer], network(rows, [name])[name])
    with pytest.raises(UsageError, match="unknown layer 'relu3_1/3'"):
        network.check(["relu3_1/3"])
