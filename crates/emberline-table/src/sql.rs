//! What SQL says beyond DataFusion: tables of images, functions in the language `EMBERLINE`.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::catalog::{
    Session, TableFunctionArgs, TableFunctionImpl, TableProvider, TableProviderFactory,
};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::context::{FunctionFactory, RegisterFunction, SessionState};
use datafusion::logical_expr::{CreateExternalTable, CreateFunction, Expr, ScalarUDF};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast;
use futures::future::BoxFuture;

use crate::describe::{FunctionKinds, load_function};
use crate::error::{Result, TableError};
use crate::evaluate::ColumnUdf;
use crate::reader::{ImageTable, LabelFrom, ReadOptions};
use crate::session::FunctionResolver;

/// The language of our functions in `CREATE FUNCTION`.
const LANGUAGE: &str = "EMBERLINE";

/// Runs statements one after the other; the answer is the last one's.
pub(crate) async fn run(context: &SessionContext, query: &str) -> Result<DataFrame> {
    let statements = DFParser::parse_sql(query)?;
    if statements.is_empty() {
        return Err(TableError::Setting {
            parameter: "query".into(),
            expected: "a SQL statement".into(),
            found: "nothing".into(),
        });
    }
    let mut last = context.read_empty()?;
    for statement in statements {
        // Planned one by one, each in the state as it then is: a statement may name what the one before created.
        let plan = context.state().statement_to_plan(without_argument_types(statement)).await?;
        last = context.execute_logical_plan(plan).await?;
    }
    Ok(last)
}

/// Lets `CREATE FUNCTION f(image)` name its arguments without their types, which the model knows itself.
fn without_argument_types(mut statement: Statement) -> Statement {
    if let Statement::Statement(inner) = &mut statement
        && let ast::Statement::CreateFunction(function) = inner.as_mut()
    {
        function.args = None;
    }
    statement
}

/// `CREATE FUNCTION ... LANGUAGE EMBERLINE AS '<saved function or what the resolver knows>'`.
#[derive(Debug)]
pub(crate) struct EmberlineFunctions {
    resolver: Arc<dyn FunctionResolver>,
}

impl EmberlineFunctions {
    pub(crate) fn new(resolver: Option<Arc<dyn FunctionResolver>>) -> Self {
        Self { resolver: resolver.unwrap_or_else(|| Arc::new(SavedFunctions)) }
    }
}

/// Knows the functions that [`save_function`](crate::save_function) wrote.
#[derive(Debug)]
struct SavedFunctions;

impl FunctionResolver for SavedFunctions {
    fn resolve(&self, source: &str) -> Result<Arc<dyn crate::ColumnFunction>> {
        load_function(Path::new(source), &FunctionKinds::built_in())
    }
}

impl FunctionFactory for EmberlineFunctions {
    // Written out for the compiler's sake: ARCHITECTURE.md, "Compile time".
    fn create<'factory, 'state, 'creation>(
        &'factory self,
        state: &'state SessionState,
        statement: CreateFunction,
    ) -> BoxFuture<'creation, DataFusionResult<RegisterFunction>>
    where
        'factory: 'creation,
        'state: 'creation,
        Self: 'creation,
    {
        self.create_function(state, statement)
    }
}

impl EmberlineFunctions {
    fn create_function<'a>(
        &'a self,
        state: &'a SessionState,
        statement: CreateFunction,
    ) -> BoxFuture<'a, DataFusionResult<RegisterFunction>> {
        Box::pin(async move {
            let CreateFunction { name, params, or_replace, .. } = statement;
            let language = params.language.map(|language| language.value).unwrap_or_default();
            if !language.eq_ignore_ascii_case(LANGUAGE) {
                return plan_err!("CREATE FUNCTION {name}: expected LANGUAGE {LANGUAGE}, found `{language}`");
            }
            let Some(Expr::Literal(ScalarValue::Utf8(Some(source)), _)) = params.function_body else {
                return plan_err!("CREATE FUNCTION {name}: expected AS '<saved model or named network>'");
            };
            let name = name.to_ascii_lowercase();
            if !or_replace && state.scalar_functions().contains_key(&name) {
                return plan_err!(
                    "function `{name}` exists already; write CREATE OR REPLACE FUNCTION to replace it"
                );
            }
            let resolver = self.resolver.clone();
            // Loading a model reads files and may take a while: not on a thread that others wait for.
            let function = tokio::task::spawn_blocking(move || resolver.resolve(&source))
                .await
                .map_err(|e| datafusion::error::DataFusionError::External(Box::new(e)))??;
            Ok(RegisterFunction::Scalar(Arc::new(ScalarUDF::new_from_impl(ColumnUdf::new(name, function)))))
        })
    }
}

/// `CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION '...' OPTIONS (...)`.
#[derive(Debug)]
pub(crate) struct ImageTableFactory;

impl TableProviderFactory for ImageTableFactory {
    // Written out for the compiler's sake: ARCHITECTURE.md, "Compile time".
    fn create<'factory, 'session, 'command, 'creation>(
        &'factory self,
        _: &'session dyn Session,
        command: &'command CreateExternalTable,
    ) -> BoxFuture<'creation, DataFusionResult<Arc<dyn TableProvider>>>
    where
        'factory: 'creation,
        'session: 'creation,
        'command: 'creation,
        Self: 'creation,
    {
        create_table(command)
    }
}

fn create_table(command: &CreateExternalTable) -> BoxFuture<'_, DataFusionResult<Arc<dyn TableProvider>>> {
    Box::pin(async move {
        // DataFusion puts options that name no format under `format.`.
        let options = command.options.iter();
        let options: HashMap<String, String> = options
            .map(|(key, value)| {
                (key.strip_prefix("format.").unwrap_or(key).to_ascii_lowercase(), value.clone())
            })
            .collect();
        let [location] = command.locations.as_slice() else {
            return plan_err!("STORED AS IMAGES: expected one LOCATION, found {}", command.locations.len());
        };
        let table = ImageTable::open(location, read_options(&options)?).await?;
        Ok(Arc::new(table) as Arc<dyn TableProvider>)
    })
}

/// `SELECT * FROM read_images('photos/' [, 'folder'])`: a table function; `'folder'` makes the folder's name the
/// label.
#[derive(Debug)]
pub(crate) struct ReadImages;

impl TableFunctionImpl for ReadImages {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> DataFusionResult<Arc<dyn TableProvider>> {
        let texts: Option<Vec<String>> = args.exprs().iter().map(text).collect();
        let Some([uri, options @ ..]) = texts.as_deref() else {
            return plan_err!(
                "read_images: expected read_images('<folder, pattern or address>' [, 'folder'])"
            );
        };
        let options = match options {
            [] => HashMap::new(),
            [label] => HashMap::from([("label".to_string(), label.clone())]),
            _ => return plan_err!("read_images: expected at most 2 arguments, found {}", options.len() + 1),
        };
        let options = read_options(&options)?;
        let uri = uri.clone();
        // Table functions are planned synchronously, listing is not.
        let listed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|e| TableError::io(&uri, e))?.block_on(ImageTable::open(&uri, options))
        });
        let table = listed.join().map_err(|_| TableError::description("read_images", "listing failed"))??;
        Ok(Arc::new(table))
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(String::from),
        _ => None,
    }
}

/// Options by the names they have in SQL.
fn read_options(options: &HashMap<String, String>) -> Result<ReadOptions> {
    let mut read = ReadOptions::default();
    for (key, value) in options {
        match key.as_str() {
            "recursive" => read.recursive = parsed(key, value, "true or false")?,
            "glob" => read.glob = Some(value.clone()),
            "label" => read.label = label_from(value)?,
            "sample_ratio" => read.sample_ratio = parsed(key, value, "a number from 0 to 1")?,
            "seed" => read.seed = parsed(key, value, "a whole number")?,
            "drop_invalid" => read.drop_invalid = parsed(key, value, "true or false")?,
            "orient" => read.decode.orient = parsed(key, value, "true or false")?,
            _ => {
                return Err(TableError::Setting {
                    parameter: "OPTIONS".into(),
                    expected: "recursive, glob, label, sample_ratio, seed, drop_invalid or orient".into(),
                    found: format!("`{key}`"),
                });
            }
        }
    }
    Ok(read)
}

fn label_from(value: &str) -> Result<LabelFrom> {
    match value {
        "folder" => Ok(LabelFrom::Folder),
        "nothing" => Ok(LabelFrom::Nothing),
        _ => Err(TableError::Setting {
            parameter: "label".into(),
            expected: "'folder' or 'nothing'".into(),
            found: format!("`{value}`"),
        }),
    }
}

fn parsed<T: FromStr>(key: &str, value: &str, expected: &str) -> Result<T> {
    value.parse().map_err(|_| TableError::Setting {
        parameter: key.into(),
        expected: expected.into(),
        found: format!("`{value}`"),
    })
}
