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
