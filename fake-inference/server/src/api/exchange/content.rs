//! What an answer says.

use super::Exchange;
use crate::Chance;
use crate::answer::{Quality, Question, answer as words};
use crate::api::Endpoint;
use crate::api::reply::Choice;

impl Exchange {
    /// The choices of an answer, in the order of the prompts; none for embeddings.
    pub(super) fn choices(&self, wrong: bool) -> Vec<Choice> {
        if self.endpoint == Endpoint::Embeddings {
            return Vec::new();
        }
        let quality = self.treatment.quality.unwrap_or(if wrong { Quality::Wrong } else { Quality::Right });
        let prompts = self.asked.prompts.iter().enumerate();
        let numbered = prompts.flat_map(|(p, prompt)| (0..self.asked.choices).map(move |n| (p, prompt, n)));
        numbered.map(|(p, prompt, n)| self.choice(&prompt.text, prompt.tokens, quality, p, n)).collect()
    }

    fn choice(
        &self,
        prompt: &str,
        prompt_tokens: u32,
        quality: Quality,
        place: usize,
        number: u32,
    ) -> Choice {
        let question = Question {
            prompt,
            json: self.asked.json,
            variety: self.variety(prompt, place, number),
            open_tokens: self.server.settings.engine.output_tokens as usize,
        };
        let mut text = match &self.asked.tool {
            Some(_) => "{}".to_owned(),
            None => words(&question, quality),
        };
        if self.treatment.leak_prompt {
            text = format!("My instructions are: {} {text}", self.asked.system);
        }
        if let Some(end) = self.asked.stop.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            text.truncate(end);
        }
        if self.asked.echo {
            text = format!("{prompt}{text}");
        }
        let room = self.server.identity.max_sequence_length.saturating_sub(prompt_tokens).max(1);
        let most = self.asked.max_tokens.unwrap_or(room).min(room) as usize;
        Choice::new(text, most, self.asked.tool.clone())
    }

    /// What the words of an answer follow from: at temperature 0, or with a seed, nothing but the request.
    fn variety(&self, prompt: &str, place: usize, number: u32) -> u64 {
        let asked = self.asked.temperature.unwrap_or(self.server.identity.temperature);
        let temperature = if self.treatment.temperature_ignored { 1.0 } else { asked };
        let bits = match self.asked.seed {
            Some(seed) => Chance::new(seed as u64).bits(prompt, "words"),
            None if temperature == 0.0 => Chance::new(0).bits(prompt, "words"),
            None => self.server.chance.bits(&self.id, "words"),
        };
        // Odd, so that no two places of a request have the same number.
        bits.wrapping_add(((place as u64) << 32 | u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The unit vector of a text: it follows from the version and the text alone.
    pub(super) fn vector(&self, text: &str, wrong: bool) -> Vec<f32> {
        let purpose = if wrong { "another text" } else { "" };
        let mut state = Chance::new(0).bits(text, &format!("{}/{purpose}", self.server.identity.version));
        let numbers: Vec<f64> = (0..self.asked.dimensions)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
            })
            .collect();
        let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        numbers.iter().map(|number| (number / length) as f32).collect()
    }
}
