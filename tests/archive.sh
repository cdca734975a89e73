# SPDX-License-Identifier: GPL-3.0-or-later
#
# Files of tensors against what others make of them: NumPy's own .npz, Python's own zip, and a few
# independent lines for .safetensors.
. "$top_src/tests/lib.sh"

python=/usr/bin/python3 # the one that has Debian's modules
convert=$top_build/tests/unit/test_archive
[ -x "$convert" ] || skip_all "without cmocka there is no program that converts"
"$python" -c 'import numpy' 2>/dev/null || skip_all "no numpy for $python"

cat >"$tmp/peer.py" <<'PY'
import json, math, struct, sys
import numpy as np

rng = np.random.default_rng(7)
odd = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1/3])
arrays = {
    "W": rng.normal(size=(3, 4)), "odd": odd, "scalar": np.array(2.5), "one": np.array([7.0]),
    "half": rng.normal(size=5).astype("f2"), "single": rng.normal(size=(2, 2, 2)).astype("f4"),
    "whole": np.array([[-3, 2**53]], "i8"), "small": np.array([-128, 127], "i1"),
    "byte": np.array([0, 255], "u1"), "large": np.array([2**63], "u8"),
    "truth": np.array([True, False]), "rank4": rng.normal(size=(2, 1, 3, 2)),
    "layer.0/\u00e9": rng.normal(size=2),
}
for_npz = dict(arrays, columns=np.asfortranarray(rng.normal(size=(3, 5))),
               columns4=np.asfortranarray(rng.normal(size=(2, 3, 4, 5))),
               big=rng.normal(size=3).astype(">f8"), short=np.array([1, -2], ">i2"))

def read_safetensors(path):
    with open(path, "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        assert n % 8 == 0
        header = json.loads(f.read(n))
        data = f.read()
    header.pop("__metadata__", None)
    assert max([t["data_offsets"][1] for t in header.values()]) == len(data)
    return {name: np.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], "<f8")
            .reshape(t["shape"]) for name, t in header.items() if t["dtype"] == "F64"}

def write_safetensors(path, arrays):
    names = {"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i1": "I8", "u1": "U8",
             "u8": "U64", "b1": "BOOL"}
    header, data = {"__metadata__": {"format": "np"}}, b""
    for name, x in sorted(arrays.items()):
        bytes = np.ascontiguousarray(x).tobytes()
        header[name] = {"dtype": names[x.dtype.str[1:]], "shape": list(x.shape),
                        "data_offsets": [len(data), len(data) + len(bytes)]}
        data += bytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)

def same(have, want):
    assert set(have) == set(want), (set(have), set(want))
    for name in want:
        x, y = have[name], want[name].astype("f8")
        assert x.dtype == "f8" and x.shape == y.shape, name
        assert x.tobytes() == y.tobytes(), (name, x, y)

def said(path, want): # lines NAME SHAPE VALUES.., in hexadecimal
    have = {}
    for line in open(path, encoding="utf-8"):
        name, shape, *values = line.split()
        shape = [] if shape == "scalar" else [int(n) for n in shape.split("x")]
        have[name] = np.array([float.fromhex(v) for v in values]).reshape(shape)
    for name in have: # a NaN has no sign here
        have[name] = np.where(np.isnan(have[name]), want[name], have[name])
    same(have, want)

what, path = sys.argv[1:3]
if what == "savez": np.savez(path, **for_npz)
elif what == "savez_compressed": np.savez_compressed(path, **for_npz)
elif what == "safetensors": write_safetensors(path, arrays)
elif what == "said": said(path, for_npz if sys.argv[3] == "npz" else arrays)
elif what == "same": same(read_safetensors(path) if path.endswith("safetensors") else
                          dict(np.load(path)), for_npz if sys.argv[3] == "npz" else arrays)
elif what == "zip":
    import zipfile
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        assert z.namelist() == ["one", "\u00e9"], z.namelist()
        assert z.read("one") == b"some text" and z.read("\u00e9") == b"x"
elif what == "entries":
    z = np.load(path)
    assert json.loads(bytes(z["__metadata__"])) == {"format": "np"}
PY

peer() {
    PYTHONIOENCODING=utf-8 "$python" "$tmp/peer.py" "$@"
}

round() { # FILE ARRAYS: theirs is read, and is the same after both formats of ours
    "$convert" "$1" "$tmp/our.npz" >"$tmp/lines" || { cat "$tmp/lines" && return 1; }
    peer said "$tmp/lines" "$2" || return
    "$convert" "$1" "$tmp/our.safetensors" >"$tmp/other" || { cat "$tmp/other" && return 1; }
    cmp "$tmp/lines" "$tmp/other" || return
    "$convert" "$tmp/our.npz" "$tmp/again.npz" >"$tmp/other" && cmp "$tmp/lines" "$tmp/other" &&
        cmp "$tmp/our.npz" "$tmp/again.npz" || return
    "$convert" "$tmp/our.safetensors" "$tmp/again.npz" >"$tmp/other" &&
        cmp "$tmp/our.npz" "$tmp/again.npz" || return
    [ "$2" = npz ] || peer entries "$tmp/our.npz" || return
    [ "$2" != npz ] || peer same "$tmp/our.npz" "$2" || return
    peer same "$tmp/our.safetensors" "$2"
}

for kind in savez savez_compressed; do
    peer $kind "$tmp/$kind.npz"
    try "numpy.$kind" round "$tmp/$kind.npz" npz
done
peer safetensors "$tmp/their.safetensors"
try "safetensors by hand" round "$tmp/their.safetensors" safetensors

wide() {
    "$top_build/tests/unit/test_zip" "$tmp/wide.zip" && peer zip "$tmp/wide.zip"
}
try "a zip in 64 bits, read by Python" wide

pickled() {
    "$python" -c "
import numpy as np
np.savez('$tmp/object.npz', o=np.array([{}], dtype=object))"
    ! "$convert" "$tmp/object.npz" >"$tmp/lines" && cat "$tmp/lines" &&
        grep -q 'o.npy holds Python objects' "$tmp/lines"
}
try "no pickles" pickled

finish
