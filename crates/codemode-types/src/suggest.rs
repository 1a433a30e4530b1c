/// The candidate nearest to `word` by edit distance, if one is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(64).flat_map(char::to_lowercase).collect();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().take(64).collect();
            let distance = distance(&word, &letters);
            near_enough(distance, word.len().max(letters.len())).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A slip in less than a third of the letters: `touch` is not what `nosuch` meant.
fn near_enough(distance: usize, letters: usize) -> bool {
    distance <= 3 && distance * 3 < letters
}

/// Edit distance in which two neighbours that changed places are one slip (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let edited = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b;
            row.push(if swapped { edited.min(before[j - 1] + 1) } else { edited });
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("memory_limt", ["memory_limit", "cpus"]), Some("memory_limit"));
        assert_eq!(nearest("Timeout", ["timeout"]), Some("timeout"));
        assert_eq!(nearest("cpu", ["queue", "cpus"]), Some("cpus"));
        assert_eq!(nearest("hots", ["port", "host"]), Some("host"));
        for word in ["banana", "nosuch", "x", ""] {
            assert_eq!(nearest(word, ["memory_limit", "cpus", "touch", "a"]), None, "{word}");
        }
    }

    #[test]
    fn neighbours_that_changed_places_are_one_slip() {
        let count =
            |left: &str, right: &str| distance(&left.chars().collect::<Vec<_>>(), &right.chars().collect::<Vec<_>>());
        assert_eq!((count("netwrok", "network"), count("ab", "ba"), count("abc", "cba")), (1, 1, 2));
        assert_eq!((count("", "abc"), count("abc", ""), count("kitten", "sitting")), (3, 3, 3));
    }
}
