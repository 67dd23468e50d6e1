//! SQL as users write it.

use anyhow::Result;
use emberline_table::functions::{Class, DecodePredictions};
use emberline_table::{Session, save_function};

use crate::pictures::{folder, rows};

async fn check(session: &Session, query: &str, expected: &[&str]) -> Result<()> {
    assert_eq!(rows(&session.sql(query).await?.collect().await?)?, expected, "{query}");
    Ok(())
}

async fn check_error(session: &Session, query: &str, expected: &str) -> Result<()> {
    let error = match session.sql(query).await {
        Ok(table) => table.collect().await.err().map(|e| e.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let error = error.unwrap_or_default();
    assert!(error.contains(expected), "{query}\n  gives {error}\n  expected {expected}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_images() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path())?;
    let path = dir.path().display();
    let session = Session::new();
    let create = format!(
        "CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION '{path}/' OPTIONS (label 'folder', glob '*.png')"
    );
    session.sql(&create).await?;
    let query =
        "SELECT label, image_width(image), image_height(image), width FROM t WHERE image_error IS NULL";
    check(&session, query, &["cats|3|3|3", "cats|4|2|4", "dogs|2|5|2", "|1|1|1"]).await?;
    let query = format!("SELECT label, count(*) FROM read_images('{path}', 'folder') GROUP BY label");
    check(&session, &query, &["cats|2", "dogs|3", "|1"]).await?;
    check_error(
        &session,
        &create.replace(" t ", " u ").replace("label", "lable"),
        "expected recursive, glob, label",
    )
    .await?;
    check_error(&session, "SELECT * FROM read_images(3)", "expected read_images(").await?;
    check_error(&session, "SELECT * FROM read_images('/no/such')", "/no/such: ").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn helpers_take_images_in_any_form() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path())?;
    let path = dir.path().join("cats/a.png").display().to_string();
    let session = Session::new();
    check(&session, &format!("SELECT image_width('{path}'), image_height('{path}')"), &["4|2"]).await?;
    let query = format!(
        "SELECT image_width(image_resize('{path}', 10, 20)), image_height(image_resize('{path}', 10, 20, 'area'))"
    );
    check(&session, &query, &["10|20"]).await?;
    let query =
        format!("SELECT image_width(image_decode(image_encode(image_resize('{path}', 5, 6), 'jpeg')))");
    check(&session, &query, &["5"]).await?;
    check(&session, "SELECT image_width('/no/such.png') IS NULL", &["true"]).await?;
    assert_eq!(session.report().counts().failed, 1);
    check(&session, "SELECT image_width(CAST(NULL AS VARCHAR)) IS NULL", &["true"]).await?;
    assert_eq!(session.report().counts().failed, 1, "null in, null out, without a reason");
    check_error(&session, "SELECT image_width(1)", "expected an image struct").await?;
    check_error(&session, "SELECT image_width()", "image_width").await?;
    check_error(&session, &format!("SELECT image_resize('{path}', 'x', 2)"), "whole number of pixels")
        .await?;
    Ok(())
}

/// What PostgreSQL answers, too; `regexp_match` shows lists as DataFusion does.
const TEXT: [(&str, &str); 28] = [
    ("substr(origin, 6)", "cats/Tabby 12.png"),
    ("substr(origin, 6, 4)", "cats"),
    ("substring(origin, 6, 4)", "cats"),
    ("substring(origin FROM 6 FOR 4)", "cats"),
    ("position('cats' IN origin)", "6"),
    ("strpos(origin, 'cats')", "6"),
    ("split_part(origin, '/', 2)", "cats"),
    ("split_part(origin, '/', -1)", "Tabby 12.png"),
    ("left(origin, 4)", "data"),
    ("right(origin, 4)", ".png"),
    ("replace(origin, '.png', '.jpg')", "data/cats/Tabby 12.jpg"),
    ("regexp_replace(origin, '[^0-9]+', '', 'g')", "12"),
    ("regexp_match(origin, '([a-z]+)/T')", "[cats]"),
    ("regexp_like(origin, 'tabby', 'i')", "true"),
    ("regexp_count(origin, 'a')", "4"),
    ("origin ~ '[0-9]+[.]png$'", "true"),
    ("origin ILIKE '%tabby%'", "true"),
    ("concat_ws('-', 'a', NULL, 'b')", "a-b"),
    ("'a' || 'b'", "ab"),
    ("lpad('7', 3, '0')", "007"),
    ("rpad('7', 3, '.')", "7.."),
    ("initcap('tabby cat')", "Tabby Cat"),
    ("upper('tabby')", "TABBY"),
    ("trim(BOTH '/' FROM '/cats/')", "cats"),
    ("character_length(origin)", "22"),
    ("reverse('cat')", "tac"),
    ("starts_with(origin, 'data/')", "true"),
    ("translate(origin, '/ ', '__')", "data_cats_Tabby_12.png"),
];

#[tokio::test(flavor = "multi_thread")]
async fn everyday_functions() -> Result<()> {
    let session = Session::new();
    session.sql("CREATE TABLE t AS VALUES ('data/cats/Tabby 12.png')").await?;
    for (expression, expected) in TEXT {
        let query = format!("SELECT {expression} FROM (SELECT column1 AS origin FROM t)");
        check(&session, &query, &[expected]).await?;
    }
    let taken = "TIMESTAMP '2026-11-22T10:20:30'";
    for (expression, expected) in [
        ("extract(year FROM taken)", "2026"),
        ("date_part('minute', taken)", "20"),
        ("to_char(date_trunc('month', taken), '%d.%m.%Y')", "01.11.2026"),
        ("round(sqrt(2) * 100)", "141.0"),
        ("encode('cat', 'hex')", "636174"),
        ("coalesce(NULL, 'none')", "none"),
    ] {
        check(&session, &format!("SELECT {expression} FROM (SELECT {taken} AS taken)"), &[expected]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_come_and_go() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let classes = ["cat", "dog"].map(|name| Class { class: name.into(), description: format!("a {name}") });
    let saved = dir.path().join("best");
    save_function(&DecodePredictions::try_new(classes.to_vec(), 1)?, &saved)?;
    let session = Session::new();
    let create = format!("CREATE FUNCTION Best(probabilities) LANGUAGE EMBERLINE AS '{}'", saved.display());
    session.sql(&create).await?;
    let query = "SELECT best(arrow_cast([0.25, 0.75], 'FixedSizeList(2 x non-null Float32)'))[1]['class']";
    let query = &query.replace("non-null ", "");
    check(&session, query, &["dog"]).await?;
    check_error(&session, &create, "exists already").await?;
    session.sql(&create.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")).await?;
    session.sql("DROP FUNCTION best").await?;
    check_error(&session, query, "best").await?;
    check_error(
        &session,
        &create.replace("EMBERLINE", "PYTHON"),
        "expected LANGUAGE EMBERLINE, found `PYTHON`",
    )
    .await?;
    check_error(&session, "CREATE FUNCTION g() LANGUAGE EMBERLINE AS '/no/such'", "/no/such").await?;
    check(&session, &format!("{create}; {query}"), &["dog"]).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_is_no_query() -> Result<()> {
    check_error(&Session::new(), " ; ", "").await?;
    check_error(&Session::new(), "", "expected a SQL statement, found nothing").await
}
