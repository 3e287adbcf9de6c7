//! How long the parts of a run took.

use timeline::StageTime;

/// A line with every part and its time; empty for a run without parts.
pub fn stages(stages: &[StageTime]) -> String {
    if stages.is_empty() {
        return String::new();
    }
    let parts: Vec<String> = stages.iter().map(|it| format!("{} {:.1} s", it.stage, it.seconds)).collect();
    let total: f64 = stages.iter().map(|it| it.seconds).sum();
    format!("\ntook {total:.1} s: {}\n", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_told_with_its_time() {
        let part = |stage: &str, seconds| StageTime { stage: stage.to_owned(), seconds };
        assert_eq!(stages(&[]), "");
        let told = stages(&[part("cluster", 24.06), part("scenario", 40.0)]);
        assert_eq!(told, "\ntook 64.1 s: cluster 24.1 s, scenario 40.0 s\n");
    }
}
