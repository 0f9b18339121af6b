"""Packaging. Also what a remote engine's workers install: keep it free of side effects."""

import ast
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION_LINE = (ROOT / "pipeline" / "version.py").read_text(encoding="utf-8").splitlines()[-1]

TRAINER = [
    "jinja2>=3.1",
    "matplotlib>=3.9",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "tensorboard>=2.20",  # TensorFlow 2.21 no longer brings it
    "tensorflow==2.21.*",
]
# What reads a finished dataset in tests; the pipeline itself needs none of it.
READERS = [
    "mlcroissant>=1.0",
    "tensorflow-datasets==4.9.*",
    "tfrecord==1.14.*",
]
TOOLS = [
    "hypothesis>=6.100",
    "mypy>=2.0",
    "playwright>=1.50",
    "psutil>=6.0",
    "pytest>=9.0",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.15",
]

setup(
    name="crystal-plates",
    version=ast.literal_eval(VERSION_LINE.partition("=")[2].strip()),
    description="Balanced TFRecord datasets of crystallisation micrographs",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["pipeline*", "schemas*", "trainer*"]),
    package_data={
        "pipeline.report": ["*.css"],
        "trainer.report": ["*.css", "*.html"],
        "trainer.predict": ["*.css", "*.html"],
    },
    install_requires=[
        # one release: the engine's inner ways are relied on and tested (pipeline/graph.py)
        "apache-beam==2.77.*",
        "google-crc32c>=1.6",
        "numpy>=2.0,<3",
        # the renderer's bytes are tested under the oldest and the newest of both
        "opencv-python-headless>=4.10.0.84,<6",
        "pillow>=11,<14",
        "pyarrow>=17",
        "tqdm>=4.66",
    ],
    extras_require={"trainer": TRAINER, "test": TRAINER + READERS + TOOLS},
)
