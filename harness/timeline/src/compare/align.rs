//! Two sequences, matched item by item.

/// What of two sequences belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    /// These two are the same.
    Both(usize, usize),
    /// Only the first has it.
    Left(usize),
    /// Only the second has it.
    Right(usize),
}

/// A longest common subsequence of two short sequences, with everything else in its place. Where several
/// are as long, the one that leaves out what weighs least: `weight` is how much it matters that an item
/// is matched.
pub(super) fn align<T: PartialEq>(left: &[T], right: &[T], weight: impl Fn(Pair) -> u64) -> Vec<Pair> {
    let (rows, columns) = (left.len() + 1, right.len() + 1);
    // What is lost at least from here on when it is left out: (items unmatched weigh, items unmatched).
    let mut loss = vec![vec![0_u64; columns]; rows];
    let skip = |pair| 1 + weight(pair);
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let mut best = if i + 1 == rows && j + 1 == columns { 0 } else { u64::MAX };
            if i + 1 < rows {
                best = best.min(loss[i + 1][j].saturating_add(skip(Pair::Left(i))));
            }
            if j + 1 < columns {
                best = best.min(loss[i][j + 1].saturating_add(skip(Pair::Right(j))));
            }
            if i + 1 < rows && j + 1 < columns && left[i] == right[j] {
                best = best.min(loss[i + 1][j + 1]);
            }
            loss[i][j] = best;
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i + 1 < rows || j + 1 < columns {
        let here = loss[i][j];
        if i + 1 < rows && j + 1 < columns && left[i] == right[j] && loss[i + 1][j + 1] == here {
            pairs.push(Pair::Both(i, j));
            (i, j) = (i + 1, j + 1);
        } else if i + 1 < rows && loss[i + 1][j].saturating_add(skip(Pair::Left(i))) == here {
            pairs.push(Pair::Left(i));
            i += 1;
        } else {
            pairs.push(Pair::Right(j));
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(left: &str, right: &str) -> String {
        let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
        let pairs = align(&left, &right, |_| 0);
        let one = |pair: &Pair| match pair {
            Pair::Both(i, _) => left[*i].to_string(),
            Pair::Left(i) => format!("-{}", left[*i]),
            Pair::Right(j) => format!("+{}", right[*j]),
        };
        pairs.iter().map(one).collect()
    }

    #[test]
    fn what_is_common_is_matched_in_order() {
        assert_eq!(shown("abc", "abc"), "abc");
        assert_eq!(shown("abc", "axc"), "a-b+xc");
        assert_eq!(shown("", "ab"), "+a+b");
        assert_eq!(shown("ab", "ba"), "-ab+a");
    }

    #[test]
    fn what_weighs_more_is_matched_first() {
        // Of two `a`, the heavy one is matched.
        let weight = |pair| if pair == Pair::Left(1) { 10 } else { 0 };
        assert_eq!(align(&['a', 'a'], &['a'], weight), [Pair::Left(0), Pair::Both(1, 0)]);
    }

    proptest! {
        // Every item of both occurs once and in order.
        #[test]
        fn nothing_is_lost(left in "[ab]{0,8}", right in "[abc]{0,8}") {
            let (one, two): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
            let pairs = align(&one, &two, |_| 0);
            let lefts = pairs.iter().filter_map(|pair| match pair { Pair::Both(i, _) | Pair::Left(i) => Some(*i), Pair::Right(_) => None });
            let rights = pairs.iter().filter_map(|pair| match pair { Pair::Both(_, j) | Pair::Right(j) => Some(*j), Pair::Left(_) => None });
            prop_assert_eq!(lefts.collect::<Vec<_>>(), (0..one.len()).collect::<Vec<_>>());
            prop_assert_eq!(rights.collect::<Vec<_>>(), (0..two.len()).collect::<Vec<_>>());
            for pair in pairs {
                if let Pair::Both(i, j) = pair {
                    prop_assert_eq!(one[i], two[j]);
                }
            }
        }
    }
}
