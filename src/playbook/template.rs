//! Jinja templates: strict, plain text, compiled before any host is contacted.

use std::cell::RefCell;

use anyhow::{Context, Result, anyhow};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, escape_formatter};

/// Why `{{ none }}` is refused.
const NOTHING: &str = "the value is none, and nothing says what to write; `{{ value or '' }}` writes nothing";

/// Renders templates and evaluates conditions against one context.
///
/// An undefined name is an error, never empty text, and so is a value that is none (`~` in the inventory); nothing is escaped; the last line keeps
/// its line break. What is true is `true`, as in the inventory and in most files, and not `True` as in Python.
#[derive(Debug, Default)]
pub struct Engine;

fn environment<'a>() -> Environment<'a> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    // So that an error knows the words that it is about.
    env.set_debug(true);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    // Only custom delimiters can make this fail, and the tests below would see it.
    if let Ok(syntax) = syntax {
        env.set_syntax(syntax);
    }
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_formatter(|out, state, value| match value.kind() {
        // Python's word for nothing is in no configuration file what anybody meant.
        ValueKind::None => Err(minijinja::Error::new(ErrorKind::InvalidOperation, NOTHING)),
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        _ => escape_formatter(out, state, value),
    });
    env
}

impl Engine {
    /// Checks the syntax of a template.
    ///
    /// # Errors
    /// The template does not compile; says where.
    pub fn check(&self, name: &str, text: &str) -> Result<()> {
        environment().template_from_named_str(name, text).map(drop).map_err(|error| explain(name, &error))
    }

    /// Checks the syntax of a condition.
    ///
    /// # Errors
    /// The expression does not compile.
    pub fn check_condition(&self, text: &str) -> Result<()> {
        environment().compile_expression(text).map(drop).map_err(|error| explain(text, &error))
    }

    /// Returns the names that a template asks for: `ntp.sources`.
    ///
    /// # Errors
    /// The template does not compile.
    pub fn used(&self, name: &str, text: &str) -> Result<Vec<String>> {
        let env = environment();
        let template = env.template_from_named_str(name, text).map_err(|error| explain(name, &error))?;
        Ok(without_own(&env, template.undeclared_variables(true)))
    }

    /// Returns the names that a condition asks for.
    ///
    /// # Errors
    /// The expression does not compile.
    pub fn used_by_condition(&self, text: &str) -> Result<Vec<String>> {
        let env = environment();
        let expression = env.compile_expression(text).map_err(|error| explain(text, &error))?;
        Ok(without_own(&env, expression.undeclared_variables(true)))
    }

    /// Renders a template.
    ///
    /// # Errors
    /// A syntax error, or a name that is not defined; says where.
    pub fn render(&self, name: &str, text: &str, context: &Value) -> Result<String> {
        environment().render_named_str(name, text, context).map_err(|error| explain(name, &error))
    }

    /// Evaluates a condition.
    ///
    /// # Errors
    /// A syntax error, or a name that is not defined.
    pub fn holds(&self, condition: &str, context: &Value) -> Result<bool> {
        let env = environment();
        let expression = env.compile_expression(condition).map_err(|error| explain(condition, &error))?;
        let value = expression
            .eval(context)
            .map_err(|error| explain(condition, &error))
            .with_context(|| format!("evaluate `{condition}`"))?;
        // As text of a template, and not as false.
        if value.is_undefined() {
            return Err(anyhow!("evaluate `{condition}`: undefined value"));
        }
        Ok(value.is_true())
    }
}

/// What fills in the values of a text.
pub trait Render {
    /// Renders a template; `name` is for errors.
    ///
    /// # Errors
    /// A syntax error, or a name that is not defined; says where.
    fn render(&self, name: &str, text: &str, context: &Value) -> Result<String>;
}

impl Render for Engine {
    fn render(&self, name: &str, text: &str, context: &Value) -> Result<String> {
        Engine::render(self, name, text, context)
    }
}

/// As [`Engine`], for many hosts: each text is compiled once.
#[derive(Debug)]
pub struct Compiled(RefCell<Environment<'static>>);

impl Default for Compiled {
    fn default() -> Self {
        Compiled(RefCell::new(environment()))
    }
}

impl Render for Compiled {
    fn render(&self, name: &str, text: &str, context: &Value) -> Result<String> {
        if self.0.borrow().get_template(text).is_err() {
            let added = self.0.borrow_mut().add_template_owned(text.to_owned(), text.to_owned());
            added.map_err(|error| explain(name, &error))?;
        }
        let env = self.0.borrow();
        let filled = env.get_template(text).and_then(|template| template.render(context));
        filled.map_err(|error| explain(name, &error))
    }
}

/// Without the functions that every template has (`range`).
fn without_own(env: &Environment<'_>, names: std::collections::HashSet<String>) -> Vec<String> {
    let own = |name: &str| env.globals().any(|(own, _)| own == name);
    names.into_iter().filter(|name| !own(name.split('.').next().unwrap_or(name))).collect()
}

/// Says name, line and reason in one line; minijinja's own alternate form is a page.
fn explain(name: &str, error: &minijinja::Error) -> anyhow::Error {
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    let detail = match (error.kind(), named(error)) {
        (ErrorKind::UndefinedError, Some(words)) => {
            return anyhow!("template `{name}`{line}: undefined value: `{words}`");
        }
        _ => error.detail().map_or(String::new(), |detail| format!(": {detail}")),
    };
    anyhow!("template `{name}`{line}: {}{detail}", error.kind())
}

/// The words of the template that an error is about.
fn named(error: &minijinja::Error) -> Option<&str> {
    let words = error.template_source()?.get(error.range()?)?.trim();
    (!words.is_empty() && words.len() < 100 && !words.contains('\n')).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn an_undefined_name_is_an_error_that_names_the_line() {
        let error = Engine.render("x.j2", "a\n{{ nmae }}", &context! { name => 1 });
        assert_eq!(error.unwrap_err().to_string(), "template `x.j2`:2: undefined value: `nmae`");
    }

    #[test]
    fn what_is_true_is_written_as_in_the_inventory() {
        let context = context! { on => true, off => false, host => context! { on => true } };
        for (template, text) in [
            ("{{ on }} {{ off }} {{ host.on }} {{ not on }} {{ true }}", "true false true false true"),
            ("{{ 'yes' if on else 'no' }} {% if off %}x{% endif %}{{ on and 'x' }}", "yes x"),
        ] {
            assert_eq!(Engine.render(template, template, &context).unwrap(), text, "{template}");
            assert_eq!(Compiled::default().render(template, template, &context).unwrap(), text, "{template}");
        }
        assert!(Engine.holds("on and not off", &context).unwrap());
    }

    #[test]
    fn none_is_an_error_where_it_would_be_written_and_a_value_where_it_is_asked_for() {
        let context = context! { key => (), list => vec![1] };
        for text in ["a\n{{ key }}", "a\n{{ none }}", "a\n{{ 'x' if not list else key }}"] {
            let error = Engine.render("x.j2", text, &context).unwrap_err().to_string();
            assert!(error.starts_with("template `x.j2`:2: invalid operation: the value is none"), "{text}: {error}");
            assert!(Compiled::default().render("x.j2", text, &context).is_err(), "{text}");
        }
        let text = "{{ key or '' }}{% if key is none %}no key{% endif %}{{ key | default('-', true) }}";
        assert_eq!(Engine.render("x.j2", text, &context).unwrap(), "no key-");
    }

    #[test]
    fn text_is_not_escaped_and_keeps_its_last_line_break() {
        let text = Engine.render("x.html", "{{ v }}\n", &context! { v => "<&>" });
        assert_eq!(text.unwrap(), "<&>\n");
    }

    #[test]
    fn a_misspelt_name_in_a_condition_is_an_error_and_not_false() {
        assert!(Engine.holds("hsot.role", &context! { host => 1 }).is_err());
        assert!(Engine.holds("vars.nothing", &context! { vars => context! { a => 1 } }).is_err());
    }
}
