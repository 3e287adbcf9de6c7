"""The official OpenAI client against `fake-inference serve`: `.ci/openai` runs it.

The program is the one that FAKE_INFERENCE names. Faults are scoped by a header, so that each test asks for its own.
"""

import asyncio
import base64
import contextlib
import io
import math
import os
import pathlib
import re
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import openai

BEHAVIOUR = """
models:
  3.1-70b-instruct: { latency: { p50: 20ms, p99: 40ms }, load: 0s }
faults:
  - { id: limited, status: { code: 429, retry_after: 2s }, where: { header: { x-want: limited } } }
  - { id: once, status: { code: 503, retry_after: 1s }, where: { header: { x-want: once } }, max: 1 }
  - { id: overloaded, status: { code: 503 }, where: { header: { x-want: overloaded } } }
  - { id: broken, status: { code: 500 }, where: { header: { x-want: broken } } }
  - { id: unauthorised, status: { code: 401 }, where: { header: { x-want: unauthorised } } }
  - { id: reset, reset: {}, where: { header: { x-want: reset } } }
  - { id: late, late_error: { after: 2 }, where: { header: { x-want: late } } }
  - { id: cut, truncate: { after: 2 }, where: { header: { x-want: cut } } }
  - { id: split, split: {}, where: { header: { x-want: split } } }
  - { id: stalled, stall: { after: 1, for: 30s }, where: { header: { x-want: stalled } } }
  - { id: wrong, wrong: {}, where: { header: { x-want: wrong } } }
"""

# The ConfigMap of the pipeline's production overlay.
CONFIG_MAP = {
    "MODEL_NAME": "llama3",
    "MODEL_VERSION": "3.1-70b-instruct",
    "MODEL_REVISION": "a2431349ba",
    "MAX_BATCH_SIZE": "32",
    "MAX_SEQUENCE_LENGTH": "4096",
    "QUANTIZATION": "awq-int4",
    "TEMPERATURE_DEFAULT": "0.7",
}

SUM = [{"role": "user", "content": "What is the sum of 17 and 25?"}]
RIGHT = "The answer is 42."


def want(fault):
    return {"x-want": fault}


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.behaviour = tempfile.NamedTemporaryFile(mode="w", suffix=".yaml")
        cls.behaviour.write(BEHAVIOUR)
        cls.behaviour.flush()
        arguments = ["serve", "--behaviour", cls.behaviour.name, "--listen", "127.0.0.1:0", "--admin", "off"]
        program = [os.environ["FAKE_INFERENCE"], *arguments]
        cls.server = subprocess.Popen(program, env=CONFIG_MAP, stderr=subprocess.PIPE, text=True)
        line = cls.server.stderr.readline()
        cls.url = re.search(r"http://[^,]+", line)[0] + "/v1"
        cls.client = openai.OpenAI(base_url=cls.url, api_key="any", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        code = cls.server.wait()
        cls.server.stderr.close()
        cls.behaviour.close()
        assert code == 0, code

    def chat(self, messages=SUM, **more):
        return self.client.chat.completions.create(model="llama3", messages=messages, **more)

    def test_models_are_listed_and_found_by_their_id(self):
        models = self.client.models.list().data
        self.assertEqual([model.id for model in models], ["llama3"])
        self.assertEqual(self.client.models.retrieve("llama3").object, "model")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("gpt-5")

    def test_a_chat_is_answered_in_one_piece(self):
        raw = self.client.chat.completions.with_raw_response.create(model="llama3", messages=SUM)
        self.assertEqual(raw.headers["x-model-version"], "3.1-70b-instruct")
        answer = raw.parse()
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.choices[0].message.content, RIGHT)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        usage = answer.usage
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_a_chat_takes_the_usual_parameters(self):
        story = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell me a story."}]
        answer = self.chat(story, n=2, max_tokens=3, temperature=1.0, top_p=0.9, seed=5, stop=["?"])
        self.assertEqual([choice.finish_reason for choice in answer.choices], ["length", "length"])
        self.assertEqual(answer.usage.completion_tokens, 6)
        tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
        called = self.chat(tools=[tool], tool_choice="required").choices[0]
        self.assertEqual(called.finish_reason, "tool_calls")
        self.assertEqual(called.message.tool_calls[0].function.name, "look_up")

    def test_a_chat_is_streamed_token_by_token(self):
        with self.chat(stream=True) as stream:
            chunks = list(stream)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), RIGHT)
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertTrue(all(chunk.usage is None for chunk in chunks))
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)

    def test_a_stream_ends_with_its_usage_where_that_is_asked_for(self):
        for fault in ["none", "split"]:
            options = {"include_usage": True}
            with self.chat(stream=True, stream_options=options, extra_headers=want(fault)) as stream:
                chunks = list(stream)
            tokens = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
            self.assertEqual(chunks[-1].choices, [])
            self.assertEqual(chunks[-1].usage.completion_tokens, len(tokens))

    def test_the_streaming_helper_puts_the_answer_together(self):
        with self.client.chat.completions.stream(model="llama3", messages=SUM) as stream:
            for _ in stream:
                pass
            self.assertEqual(stream.get_final_completion().choices[0].message.content, RIGHT)

    def test_many_chats_at_once_are_answered_each_with_its_own(self):
        async def ask():
            client = openai.AsyncOpenAI(base_url=self.url, api_key="any", max_retries=0)
            one = lambda n: client.chat.completions.create(
                model="llama3", messages=[{"role": "user", "content": f"Compute {n} * 3."}]
            )
            async with client:
                return await asyncio.gather(*(one(n) for n in range(50)))

        answers = [answer.choices[0].message.content for answer in asyncio.run(ask())]
        self.assertEqual(answers, [f"The answer is {3 * n}." for n in range(50)])

    def test_completions_take_several_prompts(self):
        prompts = ["Compute 2 * 3.", "Compute 3 * 3."]
        answer = self.client.completions.create(model="llama3", prompt=prompts, max_tokens=20)
        self.assertEqual([choice.text for choice in answer.choices], ["The answer is 6.", "The answer is 9."])
        with self.client.completions.create(model="llama3", prompt="Compute 2 * 3.", stream=True) as stream:
            self.assertEqual("".join(chunk.choices[0].text for chunk in stream), "The answer is 6.")

    def test_embeddings_are_unit_vectors_in_both_encodings(self):
        def embed(**more):
            return self.client.embeddings.create(model="llama3", input=["blue", "red"], dimensions=64, **more)

        # Unless told otherwise this client asks for base64 and decodes it.
        decoded, numbers = embed().data, embed(encoding_format="float").data
        text = embed(encoding_format="base64").data[0].embedding
        self.assertEqual([item.index for item in decoded], [0, 1])
        for item, other in zip(decoded, numbers):
            self.assertEqual(len(item.embedding), 64)
            self.assertAlmostEqual(math.fsum(x * x for x in item.embedding), 1.0, places=5)
            self.assertTrue(all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(item.embedding, other.embedding)))
        self.assertEqual(list(struct.unpack("<64f", base64.b64decode(text))), decoded[0].embedding)
        self.assertNotEqual(decoded[0].embedding, decoded[1].embedding)

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="gpt-5", messages=SUM)
        error = caught.exception
        self.assertEqual((error.code, error.type, error.param), ("model_not_found", "invalid_request_error", "model"))

    def test_a_request_that_is_too_long_is_a_bad_request(self):
        for more in [{"messages": [{"role": "user", "content": "word " * 5000}]}, {"max_tokens": 5000}]:
            with self.assertRaises(openai.BadRequestError) as caught:
                self.chat(**more)
            self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_fields_of_a_wrong_type_are_named(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(temperature="hot")
        self.assertEqual(caught.exception.param, "temperature")

    def test_errors_are_the_ones_that_the_client_knows(self):
        table = [
            ("limited", openai.RateLimitError, 429, "rate_limit_exceeded", "2"),
            ("overloaded", openai.InternalServerError, 503, "overloaded", "1"),
            ("broken", openai.InternalServerError, 500, None, None),
            ("unauthorised", openai.AuthenticationError, 401, "invalid_api_key", None),
        ]
        for fault, kind, status, code, retry_after in table:
            with self.subTest(fault), self.assertRaises(kind) as caught:
                self.chat(extra_headers=want(fault))
            error = caught.exception
            self.assertEqual((error.status_code, error.code), (status, code))
            self.assertEqual(error.response.headers.get("retry-after"), retry_after)
            self.assertEqual(error.response.headers["x-fault"], fault)

    def test_the_client_comes_back_after_the_time_that_retry_after_says(self):
        patient, begun = self.client.with_options(max_retries=1), time.monotonic()
        answer = patient.chat.completions.create(model="llama3", messages=SUM, extra_headers=want("once"))
        self.assertEqual(answer.choices[0].message.content, RIGHT)
        self.assertGreaterEqual(time.monotonic() - begun, 1.0)

    def test_a_reset_connection_is_a_connection_error(self):
        with self.assertRaises(openai.APIConnectionError):
            self.chat(extra_headers=want("reset"))

    def test_an_error_in_the_middle_of_a_stream_is_raised(self):
        with self.assertRaises(openai.APIError), self.chat(stream=True, extra_headers=want("late")) as stream:
            list(stream)

    def test_a_truncated_stream_ends_without_a_reason_and_without_an_error(self):
        with self.chat(stream=True, extra_headers=want("cut")) as stream:
            chunks = list(stream)
        self.assertTrue(all(chunk.choices[0].finish_reason is None for chunk in chunks))

    def test_a_stalled_stream_is_a_timeout(self):
        hasty = self.client.with_options(timeout=1.0)
        with self.assertRaises(openai.APITimeoutError):
            with hasty.chat.completions.create(
                model="llama3", messages=SUM, stream=True, extra_headers=want("stalled")
            ) as stream:
                list(stream)

    def test_a_wrong_answer_has_the_form_of_a_right_one(self):
        wrong = self.chat(extra_headers=want("wrong")).choices[0].message.content
        self.assertRegex(wrong, r"^The answer is \d+\.$")
        self.assertNotEqual(wrong, RIGHT)

    def test_the_example_of_the_guide_does_what_it_says(self):
        guide = pathlib.Path(__file__).parents[4] / "docs" / "fake-inference.md"
        example = re.search(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)[1]
        self.assertIn("http://localhost:8000/v1", example)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(example.replace("http://localhost:8000/v1", self.url), {})
        self.assertEqual(printed.getvalue(), "The answer is Paris.\n")

    def test_the_commands_of_the_guide_do_what_they_say(self):
        guide = pathlib.Path(__file__).parents[4] / "docs" / "fake-inference.md"
        commands = re.search(r"```sh\n(.*?)```", guide.read_text(), re.DOTALL)[1]
        self.assertGreaterEqual(commands.count("curl "), 4)
        serving, admin = free_ports(2)
        listen = f"serve --listen 127.0.0.1:{serving} --admin 127.0.0.1:{admin}"
        for written, here in [(" serve", f" {listen}"), (":8000", f":{serving}"), (":8001", f":{admin}")]:
            self.assertIn(written, commands)
            commands = commands.replace(written, here)
        commands = commands.replace("curl ", "curl --silent --show-error --fail ")
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "fake-inference").symlink_to(pathlib.Path(os.environ["FAKE_INFERENCE"]).resolve())
            commands = f"trap 'kill %1' EXIT\n{commands}"
            path = {"PATH": f"{folder}:{os.environ['PATH']}"}
            bash = ["bash", "-euo", "pipefail", "-c", commands]
            said = subprocess.run(bash, cwd=folder, env=path, capture_output=True, text=True, timeout=60)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("data: [DONE]", said.stdout)
        self.assertRegex(said.stdout, r'inference_requests_total\{[^}]*endpoint="/v1/chat/completions"\} 1(\.0)?\n')
        self.assertRegex(said.stdout, r'"id":\s*"cut"')
        self.assertIn('"lost"', said.stdout)


def free_ports(count):
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for it in sockets:
            it.bind(("127.0.0.1", 0))
        return [it.getsockname()[1] for it in sockets]


if __name__ == "__main__":
    unittest.main(verbosity=2)
