"""Names of ops: real-world ids and labels, clashes, user ops, entry points."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import opgraph.ops as ops
from opgraph.errors import UnknownOpError
from opgraph.ops import Op, Shape, attr, registry
from opgraph.ops.contract import Case, check_op

SAMPLE = Path(__file__).parents[2] / "sample_graphs" / "cnn.txt"

IDS = {
    # Keras: automatic names
    "Conv2D": "conv2d conv2d_94 conv_1 conv1 block1_conv2 conv1a conv3x3 conv1x1_reduce conv1/conv"
    " stem_conv res2a.conv layer1.0.conv1 Convolution2D CONV_2D Conv conv1_output 卷积层 卷积_2"
    " 残差块卷积层 第1层卷积 up_conv",
    "Conv1D": "conv1d conv1d_3 Conv1d 一维卷积",
    "Conv3D": "conv3d_1 CONV_3D",
    "Conv2DTranspose": "conv2d_transpose_1 deconv2 ConvTranspose ConvTranspose2d"
    " TRANSPOSE_CONV 反卷积",
    "DepthwiseConv2D": "depthwise_conv2d expanded_conv_depthwise block1a_dwconv DEPTHWISE_CONV_2D",
    "SeparableConv2D": "separable_conv2d_1 sep_conv",
    "Dense": "dense dense_1 fc1 fc6_new logits predictions main_output output output_layer Linear"
    " linear_2 Gemm FULLY_CONNECTED classifier 全连接层_1 全连接 输出层",
    "Embedding": "embedding embed token_emb token_embedding EMBEDDING_LOOKUP 嵌入层 词嵌入",
    "BatchNormalization": "batch_normalization_3 batch_norm_1 bn2 conv2_block1_1_bn bn_conv1"
    " bn_Conv1 Conv_1_bn block_1_expand_BN BatchNorm2d BatchNormalization 批归一化_1 批标准化",
    "LayerNormalization": "layer_normalization ln_1 layernorm1 norm1 input_norm"
    " encoderLayerNorm 层归一化",
    "GroupNormalization": "group_norm_2 gn1",
    "RMSNormalization": "rms_norm",
    "LayerScale": "convnext_tiny_stage_0_block_0_layer_scale",
    "StochasticDepth": "convnext_tiny_stage_0_block_0_stochastic_depth drop_path",
    "ReLU": "relu relu_1 relu_6 re_lu_6 conv1_relu relu_output Relu ReLU激活_1 激活",
    "ReLU6": "relu6 RELU6 relu6_2",
    "LeakyReLU": "leaky_relu_3 LeakyRelu LEAKY_RELU",
    "PReLU": "p_re_lu prelu PRelu",
    "Softmax": "softmax softmax_output Softmax激活 attention_softmax",
    "Sigmoid": "sigmoid_1 LOGISTIC",
    "Tanh": "tanh_2 Tanh 双曲正切",
    "GELU": "gelu_1 convnext_tiny_stage_0_block_0_gelu Gelu",
    "SiLU": "swish silu_3",
    "HardSiLU": "hard_swish HARD_SWISH hard_silu",
    "Activation": "activation_49 act",
    "MaxPooling2D": "max_pooling2d_1 max_pool_1 block1_pool pool5-7x7_s1 MaxPool"
    " MAX_POOL_2D 最大池化_1",
    "MaxPooling1D": "max_pooling1d max_pool_1d MaxPool1d",
    "AveragePooling2D": "average_pooling2d avg_pool AvgPool2d AVERAGE_POOL_2D 平均池化层",
    "GlobalAveragePooling2D": "global_average_pooling2d global_avg_pool gap"
    " GlobalAveragePool 全局平均池化",
    "GlobalAveragePooling1D": "global_average_pooling1d_1",
    "GlobalMaxPooling2D": "global_max_pool_2d global_max_pooling GlobalMaxPool",
    "Add": "add add_12 residual_add conv2_block1_add add_output blockAdd Sum 相加 残差连接",
    "Multiply": "multiply_1 mul MUL 相乘",
    "Subtract": "subtract SUB",
    "Concatenate": "concatenate concat_2 conv2_block1_concat fire2/concat CONCATENATION 拼接",
    "Flatten": "flatten flatten_2 展平",
    "Reshape": "reshape block1a_se_reshape",
    "ZeroPadding2D": "zero_padding2d conv1_pad pool1_pad PAD",
    "UpSampling2D": "up_sampling2d_1 upsample 上采样",
    "Dropout": "dropout top_dropout attn_dropout1 Dropout层 随机失活",
    "LSTM": "lstm lstm1 lstm_output 长短期记忆",
    "GRU": "gru_1 门控循环单元",
    "SimpleRNN": "simple_rnn rnn",
    "Bidirectional": "bidirectional_2",
    "MultiHeadAttention": "multi_head_attention attn mha self_attention encoder.layers.0.self_attn"
    " 多头注意力_1",
    "Attention": "attention attention_output",
    "Input": "input_1 input_layer image_input conv2d_input InputLayer 输入层",
    "Rescaling": "rescaling",
    "Identity": "identity 恒等映射",
}
STRANGERS = (
    "block x layer3 stage_1 encoder y_true 123 _ features backbone yolo foo summary conversion head"
    " conv2_block1_out conv5_stage q_proj 网络 se_squeeze convince padded relucent denser lstms"
)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for kind, names in IDS.items() for name in names.split()]
)
def test_id_is_recognised(name, kind):
    found = ops.guess(name)
    assert (found and found.kind) == kind


@pytest.mark.parametrize("name", ["", *STRANGERS.split()])
def test_strange_id_is_not_recognised(name):
    assert ops.guess(name) is None


def test_all_ids_and_labels_of_the_sample_are_recognised():
    pairs = re.findall(r"([^→:()]+?) \((\w+)\)", SAMPLE.read_text(encoding="utf-8"))
    labels = {name: label.strip() for label, name in pairs}
    assert len(labels) == 18
    for name, label in labels.items():
        by_name = ops.guess(name)
        assert by_name is not None
        assert ops.guess(label) is by_name


def test_table_of_ids_is_large():
    assert sum(len(names.split()) for names in IDS.values()) >= 150


def test_every_kind_and_alias_leads_to_its_op():
    for kind in ops.kinds():
        for name in (kind.kind, *kind.aliases):
            assert ops.find(name) is kind
            assert ops.require(name.upper()) is kind


def test_unknown_op_is_named_with_the_nearest():
    with pytest.raises(UnknownOpError) as caught:
        ops.require("Conv2")
    assert str(caught.value) == (
        "unknown op 'Conv2'\n   did you mean 'Conv2D'? All names: opgraph ops"
    )


@pytest.fixture
def scratch(monkeypatch):
    """A registry that forgets what a test adds to it."""
    list(ops.kinds())
    monkeypatch.setattr(registry, "_BY_KIND", dict(registry._BY_KIND))
    monkeypatch.setattr(registry, "_BY_ALIAS", dict(registry._BY_ALIAS))
    ops.guess.cache_clear()
    yield
    ops.guess.cache_clear()


def test_user_op_keeps_the_contract(scratch):
    @ops.op("doubling", category="activation")
    class Scaled(Op):
        """Every number several times as large."""

        factor: int = attr(default=2, doc="how many times")

        def shape(self, x: Shape) -> Shape:
            if len(x) == 0:
                raise self.refuse("Scaled takes (..., channels), received ()")
            return x

        def flops(self, x: Shape) -> int:
            return ops.count(x) or 0

    assert ops.guess("doubling_3") is Scaled
    assert Scaled.slots() == (("x",), 1, 1)
    check_op(
        Scaled,
        [
            Case({"factor": 3}, [(4, 3)], output=(4, 3), weights={}, flops=12),
            Case({}, [()], refuses="Scaled takes"),
        ],
    )


def test_name_of_another_op_is_refused(scratch):
    with pytest.raises(TypeError, match=r"^Linear: the name 'linear' belongs to Dense$"):

        @ops.op(category="activation")
        class Linear(Op):
            """Taken."""

    with pytest.raises(TypeError, match=r"^Mine: the name 'batchnorm' belongs to BatchNormal"):

        @ops.op("Batch Norm", category="activation")
        class Mine(Op):
            """The alias is taken."""


def test_op_without_docstring_is_refused(scratch):
    with pytest.raises(TypeError, match=r"^op Silent needs a docstring$"):

        @ops.op(category="activation")
        class Silent(Op):
            pass


def test_refused_op_leaves_no_trace(scratch):
    with pytest.raises(TypeError):

        @ops.op("fresh_name", "dense", category="activation")
        class Clash(Op):
            """Its second alias is taken."""

    assert ops.find("fresh_name") is None
    assert ops.find("Clash") is None


PLUGIN = '''
from opgraph.ops import Op, op
@op("plugged", category="activation")
class Plugged(Op):
    """From another package."""
    def shape(self, x):
        return x
'''


def test_entry_point_adds_an_op(tmp_path):
    (tmp_path / "plugged_ops.py").write_text(PLUGIN)
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[opgraph.ops]\nplugged = plugged_ops\n")
    code = "import opgraph.ops as ops; print(ops.guess('plugged_1').kind)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "Plugged"


def test_loading_all_ops_is_quick(tmp_path):
    """Compiled once, less than twice the 40 ms it may take: a busy machine must not fail it."""
    code = (
        "import time, opgraph.ops as ops; start = time.perf_counter();"
        "list(ops.kinds()); print(time.perf_counter() - start)"
    )
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code]
    seconds = [
        float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
        for _ in range(4)
    ]
    assert min(seconds[1:]) < 0.08
