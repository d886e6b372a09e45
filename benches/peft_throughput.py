"""How fast PyTorch with PEFT trains the reward model: the figure that Accord's trainer is compared with.

    pip install torch transformers peft gguf
    python benches/peft_throughput.py SmolLM2-135M-Instruct.Q4_1.gguf deliberations.jsonl --members 10 --threads 2

MODEL is the GGUF that Accord trains on (transformers dequantizes it) or a safetensors model folder. The work is
what PEFT users would write: f32, LoRA of rank 8 on the seven matrices of every layer, one row a (member, statement)
prompt, one batch a member's rated statements, padded; forward, backward and AdamW step on the cross-entropy of the
rating among the seven digits. No packing: the prefix that a member's rows share is computed for each of them.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

# The same text as config/prompts/rating.j2.
PROMPT = (
    "Question: {question}\nOpinion: {opinion}\n"
    "How much does the author of this opinion agree with the statement below, "
    "from 1 (strongly disagree) to 7 (strongly agree)?\n"
    "Statement: {statement}\nRating: "
)
MATRICES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    tokenizer, model = load(args.model)
    batches = [encode(tokenizer, *member) for member in members(args.data, args.members + args.warm_up)]
    if len(batches) <= args.warm_up:
        raise SystemExit(f"expected more than {args.warm_up} members with ratings in {args.data}, found {len(batches)}")

    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    digits = digit_tokens(tokenizer)
    for batch in batches[: args.warm_up]:
        step(model, optimizer, digits, *batch)
    measured = batches[args.warm_up :]
    start = time.perf_counter()
    for batch in measured:
        step(model, optimizer, digits, *batch)
    seconds = time.perf_counter() - start

    ratings = sum(len(targets) for _, _, targets in measured)
    tokens = sum(int(mask.sum()) for _, mask, _ in measured)
    print(f"members {len(measured)}, ratings {ratings}, tokens {tokens}, seconds {seconds:.2f}")
    print(f"{ratings / seconds:.2f} ratings/s, {tokens / seconds:.0f} tokens/s, {seconds / len(measured):.2f} s/member")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a GGUF file or a safetensors model folder")
    parser.add_argument("data", type=Path, help="deliberations as JSON lines")
    parser.add_argument("--members", type=int, default=10, help="members to measure (default 10)")
    parser.add_argument("--warm-up", type=int, default=2, help="members before the clock starts (default 2)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def load(path):
    """The tokenizer, and the model in f32 with a LoRA adapter as its only trainable part."""
    if path.is_file():
        source, gguf = path.parent, {"gguf_file": path.name}
    else:
        source, gguf = path, {}
    tokenizer = AutoTokenizer.from_pretrained(source, **gguf)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # Left padding puts the digit's position last in every row, so that only its logits are computed.
    tokenizer.padding_side = "left"
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **gguf)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=MATRICES, task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    model.train()
    return tokenizer, model


def digit_tokens(tokenizer):
    """The ids of `1` to `7`."""
    ids = [tokenizer.encode(str(digit), add_special_tokens=False) for digit in range(1, 8)]
    if any(len(tokens) != 1 for tokens in ids):
        raise SystemExit("expected a tokenizer with a single token for each of the digits 1 to 7")
    return torch.tensor([tokens[0] for tokens in ids])


def members(path, count):
    """The first `count` members that rated a statement: their prompts and their ratings, counted from 0."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        deliberation = json.loads(line)
        for member, opinion in enumerate(deliberation["opinions"]):
            rated = [s for s in deliberation["statements"] if s["agreement"][member] is not None]
            prompts = [
                PROMPT.format(
                    question=single_spaced(deliberation["question"]),
                    opinion=single_spaced(opinion),
                    statement=single_spaced(statement["text"]),
                )
                for statement in rated
            ]
            if prompts:
                found.append((prompts, [s["agreement"][member] - 1 for s in rated]))
            if len(found) == count:
                return found
    return found


def single_spaced(text):
    return " ".join(text.split())


def encode(tokenizer, prompts, ratings):
    """Token ids and attention mask (rows, tokens), and the ratings (rows)."""
    batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    return batch["input_ids"], batch["attention_mask"], torch.tensor(ratings)


def step(model, optimizer, digits, ids, mask, targets):
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1).logits[:, -1, digits]
    torch.nn.functional.cross_entropy(logits, targets).backward()
    optimizer.step()
    optimizer.zero_grad()


if __name__ == "__main__":
    main()
