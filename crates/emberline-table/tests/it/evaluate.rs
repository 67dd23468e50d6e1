//! Functions in queries: once per row, and never on a decoded column that nobody asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use emberline_table::arrow::array::{Array, AsArray, RecordBatch};
use emberline_table::arrow::util::pretty::pretty_format_batches;
use emberline_table::{ImageTable, ReadOptions, Session, Step, evaluate};

use crate::pictures::{Counting, folder, rows};

struct Counted {
    session: Session,
    function: Arc<Counting>,
    _dir: tempfile::TempDir,
}

/// A session with the pictures as `t` and a counting function as `f`.
async fn counted() -> Result<Counted> {
    let dir = tempfile::tempdir()?;
    folder(dir.path())?;
    let session = Session::new();
    let table = ImageTable::open(&dir.path().display().to_string(), ReadOptions::default()).await?;
    session.register_table("t", Arc::new(table))?;
    let function = Arc::new(Counting::default());
    session.register_function("f", function.clone());
    Ok(Counted { session, function, _dir: dir })
}

/// Runs a query; the rows it gives, and how often the function ran.
async fn check(query: &str, expected_rows: usize, expected_runs: usize) -> Result<Vec<RecordBatch>> {
    let counted = counted().await?;
    let batches = counted.session.sql(query).await?.collect().await?;
    let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(found, expected_rows, "rows of {query}");
    assert_eq!(counted.function.rows.load(Ordering::Relaxed), expected_runs, "runs in {query}");
    Ok(batches)
}

#[tokio::test]
async fn once_per_row_however_often_it_is_used() -> Result<()> {
    check("SELECT image, f(image) AS n FROM t", 6, 6).await?;
    check("SELECT f(image) AS a, f(image) + 1 AS b FROM t", 6, 6).await?;
    check("SELECT origin, f(image) AS n FROM t WHERE f(image) > 1", 3, 6).await?;
    check("SELECT origin, n FROM (SELECT origin, f(image) AS n FROM t) AS s WHERE n > 1 AND n < 10", 2, 6)
        .await?;
    check("SELECT origin FROM t WHERE f(image) > 1 ORDER BY f(image)", 3, 6).await?;
    check("SELECT f(image) AS n, count(*) FROM t WHERE f(image) IS NOT NULL GROUP BY f(image)", 4, 6).await?;
    check("WITH s AS (SELECT f(image) AS n FROM t) SELECT * FROM s WHERE n = 1 OR n = 8", 2, 6).await?;
    Ok(())
}

#[tokio::test]
async fn not_at_all_where_it_is_not_needed() -> Result<()> {
    check("SELECT count(*) FROM (SELECT f(image) AS n FROM t) AS s", 1, 0).await?;
    check("SELECT f(image) FROM t WHERE origin LIKE '%/a.png'", 1, 1).await?;
    check("SELECT f(image) FROM t WHERE width > 3", 1, 1).await?;
    check("SELECT origin, f(image) FROM t LIMIT 2", 2, 2).await?;
    check("SELECT origin FROM t", 6, 0).await?;
    Ok(())
}

#[tokio::test]
async fn nested_and_joined_calls_answer_the_same() -> Result<()> {
    let nested =
        check("SELECT f(image_resize(image, 2, 2)) AS n FROM t WHERE image_width(image) > 1", 3, 3).await?;
    assert_eq!(rows(&nested)?, ["4", "4", "4"]);
    let joined =
        check("SELECT a.origin FROM t AS a JOIN t AS b ON a.origin = b.origin WHERE f(b.image) = 8", 1, 6)
            .await?;
    assert_eq!(rows(&joined)?.len(), 1);
    let subquery =
        check("SELECT origin FROM t WHERE origin IN (SELECT origin FROM t WHERE f(image) = 9)", 1, 6).await?;
    assert_eq!(rows(&subquery)?.len(), 1);
    let union = check("SELECT f(image) AS n FROM t UNION ALL SELECT f(image) AS n FROM t", 12, 12).await?;
    assert_eq!(rows(&union)?.len(), 12);
    Ok(())
}

#[tokio::test]
async fn columns_are_decoded_only_if_asked_for() -> Result<()> {
    for (query, decoded) in [
        ("SELECT f(image) FROM t", false),
        ("SELECT origin, f(image) AS n FROM t WHERE f(image) > 1 ORDER BY origin LIMIT 3", false),
        ("SELECT image, f(image) FROM t", true),
        ("SELECT f(image), image_error FROM t", true),
        ("SELECT f(image) FROM t WHERE image IS NOT NULL", true),
    ] {
        let counted = counted().await?;
        counted.session.sql(query).await?.collect().await?;
        assert_eq!(counted.function.saw_decoded.load(Ordering::Relaxed), decoded, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn plans_show_the_calls() -> Result<()> {
    let counted = counted().await?;
    let plan = counted.session.sql("EXPLAIN SELECT origin, f(image) AS n FROM t WHERE f(image) > 1").await?;
    let text = pretty_format_batches(&plan.collect().await?)?.to_string();
    assert_eq!(text.matches("EvaluateExec: counting").count(), 1, "{text}");
    assert!(text.contains("reads=Bytes"), "{text}");
    Ok(())
}

#[tokio::test]
async fn failed_rows_are_counted_with_their_origin() -> Result<()> {
    let counted = counted().await?;
    counted.session.sql("SELECT f(image) FROM t").await?.collect().await?;
    let counts = counted.session.report().counts();
    assert_eq!((counts.read, counts.evaluated, counts.failed), (6, 6, 2));
    assert!(
        counts.samples.iter().any(|(origin, _)| origin.as_deref().is_some_and(|o| o.ends_with("broken.jpg")))
    );
    Ok(())
}

#[tokio::test]
async fn steps_add_columns_and_reasons() -> Result<()> {
    let counted = counted().await?;
    let table = counted.session.context().table("t").await?;
    let step = Step::new(counted.function.clone(), ["image"], ["n"]).with_error(Some("why".into()));
    let table = evaluate::apply(table, &[step])?.select_columns(&["n", "why"])?;
    let batches = table.collect().await?;
    let (mut nulls, mut reasons) = (0, 0);
    for batch in &batches {
        let (n, why) = (batch.column(0), batch.column(1).as_string::<i32>());
        nulls += n.null_count();
        reasons += (0..why.len()).filter(|i| why.is_valid(*i)).count();
        for i in 0..why.len() {
            assert_eq!(n.is_null(i), why.is_valid(i), "{:?}", (n, why));
        }
    }
    assert_eq!((nulls, reasons), (2, 2));
    let again = counted.session.context().table("t").await?;
    let taken = Step::new(counted.function.clone(), ["image"], ["origin"]);
    let error = evaluate::apply(again, &[taken]).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("column `origin` exists already"), "{error}");
    Ok(())
}
