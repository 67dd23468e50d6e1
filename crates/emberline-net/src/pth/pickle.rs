//! The stack machine that a pickle is a program for, with the instructions and names a dictionary of tensors consists
//! of and no others. It calls nothing: a tensor becomes a description of where its elements lie.
//!
//! Instructions are those of `pickletools` in CPython's library. Every step uses up at least one byte and makes at most one
//! value, so memory is bounded by the file's size and the limit on steps. Lists, dictionaries and tuples live side by side in
//! [`Pickle::objects`] and refer to each other by index, so neither cycles nor depth need care when they are dropped.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Limits, check_limit, damaged,
    storage::{Element, PickledTensor, Storage},
};
use crate::Result;

/// A value on the machine's stack.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, in little-endian two's complement.
    Long(Rc<[u8]>),
    Float,
    Text(Rc<str>),
    Function(Function),
    /// A place in [`Pickle::objects`].
    Object(usize),
}

/// The names a pickle may use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(Element),
}

/// A value with parts.
#[derive(Debug)]
pub(super) enum Object {
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Tuple(Vec<Value>),
    Storage(Storage),
    Tensor(PickledTensor),
}

/// What a program has made.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) root: Value,
    objects: Vec<Object>,
}

impl Pickle {
    /// The object that a value refers to.
    pub(super) fn object(&self, value: &Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(*index),
            _ => None,
        }
    }

    /// All storages that the program names.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.objects.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// An entry of the dictionary that the program has made.
    pub(super) fn entry(&self, key: &str) -> Option<&Value> {
        let Some(Object::Dict(entries)) = self.object(&self.root) else { return None };
        entries
            .iter()
            .find(|(name, _)| matches!(name, Value::Text(name) if **name == *key))
            .map(|(_, value)| value)
    }
}

/// Runs the program at the beginning of these bytes; gives what it makes and how many bytes it is long.
pub(super) fn load(bytes: &[u8], limits: &Limits) -> Result<(Pickle, usize)> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        objects: Vec::new(),
    };
    let mut steps = 0;
    loop {
        steps += 1;
        check_limit("pickle_steps", limits.pickle_steps, steps)?;
        let [instruction] = machine.array()?;
        if instruction == b'.' {
            let root = machine.pop()?;
            return Ok((Pickle { root, objects: machine.objects }, bytes.len() - machine.rest.len()));
        }
        machine.step(instruction)?;
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value>,
    objects: Vec<Object>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, instruction: u8) -> Result<()> {
        match instruction {
            // PROTO, FRAME: nothing to do.
            0x80 => drop(self.array::<1>()?),
            0x95 => drop(self.array::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a => self.integer(instruction)?,
            b'G' => {
                self.array::<8>()?;
                self.stack.push(Value::Float);
            }
            b'X' | 0x8c | b'U' | b'T' => self.text(instruction)?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memory(instruction)?,
            b']' => self.push_object(Object::List(Vec::new())),
            b'}' => self.push_object(Object::Dict(Vec::new())),
            b')' => self.push_object(Object::Tuple(Vec::new())),
            b't' => self.since_mark().map(|values| self.push_object(Object::Tuple(values)))?,
            0x85..=0x87 => {
                let values = self.pop_many(usize::from(instruction - 0x84))?;
                self.push_object(Object::Tuple(values));
            }
            b'a' => self.pop_many(1).and_then(|values| self.append(values))?,
            b'e' => self.since_mark().and_then(|values| self.append(values))?,
            b's' => self.pop_many(2).and_then(|values| self.insert(values))?,
            b'u' => self.since_mark().and_then(|values| self.insert(values))?,
            b'c' | 0x93 => self.function(instruction)?,
            b'R' => self.call()?,
            // BUILD sets attributes, such as the `_metadata` of a state dict; only entries matter here.
            b'b' => drop(self.pop()?),
            b'Q' => self.persistent()?,
            other => {
                return Err(damaged(format!(
                    "pickle instruction {other:#04x} is refused; it makes no part of a state dict"
                )));
            }
        }
        Ok(())
    }

    fn integer(&mut self, instruction: u8) -> Result<()> {
        let value = match instruction {
            b'J' => i64::from(i32::from_le_bytes(self.array()?)),
            b'K' => i64::from(u8::from_le_bytes(self.array()?)),
            b'M' => i64::from(u16::from_le_bytes(self.array()?)),
            _ => {
                let [length] = self.array()?;
                let digits = self.take(usize::from(length))?;
                if digits.len() > 8 {
                    self.stack.push(Value::Long(digits.into()));
                    return Ok(());
                }
                // Two's complement: the last byte's sign fills the bytes that are not there.
                let negative = digits.last().is_some_and(|&last| last >= 0x80);
                let mut bytes = [if negative { 0xff } else { 0 }; 8];
                bytes[..digits.len()].copy_from_slice(digits);
                i64::from_le_bytes(bytes)
            }
        };
        self.stack.push(Value::Int(value));
        Ok(())
    }

    fn text(&mut self, instruction: u8) -> Result<()> {
        let length = match instruction {
            b'X' | b'T' => u32::from_le_bytes(self.array()?),
            _ => u32::from(u8::from_le_bytes(self.array()?)),
        };
        let length = usize::try_from(length).map_err(|_| ended())?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| damaged("a text is not UTF-8"))?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn memory(&mut self, instruction: u8) -> Result<()> {
        let index = match instruction {
            0x94 => u32::try_from(self.memo.len()).map_err(|_| damaged("too many memories"))?,
            b'q' | b'h' => u32::from(u8::from_le_bytes(self.array()?)),
            _ => u32::from_le_bytes(self.array()?),
        };
        if let b'h' | b'j' = instruction {
            let value = self.memo.get(&index).cloned();
            self.stack
                .push(value.ok_or_else(|| damaged(format!("memory {index} is read before it is written")))?);
        } else {
            let value = self.stack.last().cloned().ok_or_else(underflow)?;
            self.memo.insert(index, value);
        }
        Ok(())
    }

    fn function(&mut self, instruction: u8) -> Result<()> {
        let (module, name) = if instruction == b'c' {
            (self.line()?, self.line()?)
        } else {
            match <[Value; 2]>::try_from(self.pop_many(2)?) {
                Ok([Value::Text(module), Value::Text(name)]) => (module, name),
                _ => return Err(damaged("a function's name is not a text")),
            }
        };
        let function = match (&*module, &*name) {
            ("collections", "OrderedDict") => Function::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Function::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Function::RebuildParameter,
            ("torch", storage) => {
                Function::StorageOf(Element::of_storage(storage).ok_or_else(|| refused(&module, &name))?)
            }
            _ => return Err(refused(&module, &name)),
        };
        self.stack.push(Value::Function(function));
        Ok(())
    }

    /// REDUCE: a function called with a tuple of arguments.
    fn call(&mut self) -> Result<()> {
        let arguments = self.pop_tuple()?;
        match (self.pop()?, arguments.as_slice()) {
            (Value::Function(Function::OrderedDict), []) => self.push_object(Object::Dict(Vec::new())),
            (Value::Function(Function::RebuildTensor), [storage, offset, shape, strides, ..]) => {
                let Some(Object::Storage(storage)) = self.object(storage) else {
                    return Err(damaged("a tensor is made from what is not a storage"));
                };
                let tensor = PickledTensor {
                    storage: storage.clone(),
                    offset: size(offset)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                };
                self.push_object(Object::Tensor(tensor));
            }
            (Value::Function(Function::RebuildParameter), [tensor, ..]) => self.stack.push(tensor.clone()),
            (function, arguments) => {
                return Err(damaged(format!("{function:?} is called with {} arguments", arguments.len())));
            }
        }
        Ok(())
    }

    /// BINPERSID: a storage, as `('storage', type, key, location, number of elements, ...)`.
    fn persistent(&mut self) -> Result<()> {
        let parts = self.pop_tuple()?;
        let [
            Value::Text(kind),
            Value::Function(Function::StorageOf(element)),
            Value::Text(key),
            _,
            elements,
            view @ ..,
        ] = parts.as_slice()
        else {
            return Err(damaged("a reference outside the pickle is no storage"));
        };
        if **kind != *"storage" || !matches!(view, [] | [Value::None]) {
            return Err(damaged("a storage is a view of another, which torch.save no longer writes"));
        }
        let storage = Storage { element: *element, key: key.clone(), elements: size(elements)? };
        self.push_object(Object::Storage(storage));
        Ok(())
    }

    fn append(&mut self, values: Vec<Value>) -> Result<()> {
        match self.top_object()? {
            Object::List(list) => list.extend(values),
            _ => return Err(damaged("something is appended to what is not a list")),
        }
        Ok(())
    }

    fn insert(&mut self, values: Vec<Value>) -> Result<()> {
        let Object::Dict(entries) = self.top_object()? else {
            return Err(damaged("something is inserted into what is not a dictionary"));
        };
        let mut values = values.into_iter();
        while let Some(key) = values.next() {
            let value = values.next().ok_or_else(|| damaged("a dictionary's key has no value"))?;
            entries.push((key, value));
        }
        Ok(())
    }

    fn sizes(&self, value: &Value) -> Result<Vec<u64>> {
        match self.object(value) {
            Some(Object::Tuple(values)) => values.iter().map(size).collect(),
            _ => Err(damaged("a tensor's shape or strides are not a tuple")),
        }
    }

    fn object(&self, value: &Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(*index),
            _ => None,
        }
    }

    fn top_object(&mut self) -> Result<&mut Object> {
        match self.stack.last() {
            Some(Value::Object(index)) => self.objects.get_mut(*index).ok_or_else(underflow),
            _ => Err(underflow()),
        }
    }

    fn push_object(&mut self, object: Object) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn pop_tuple(&mut self) -> Result<Vec<Value>> {
        let value = self.pop()?;
        match self.object(&value) {
            Some(Object::Tuple(values)) => Ok(values.clone()),
            _ => Err(damaged("arguments are not a tuple")),
        }
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>> {
        let at = self.stack.len().checked_sub(count).ok_or_else(underflow)?;
        Ok(self.stack.split_off(at))
    }

    fn since_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(underflow)?;
        Ok(self.stack.split_off(mark))
    }

    fn line(&mut self) -> Result<Rc<str>> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(ended)?;
        let line = std::str::from_utf8(self.take(end)?).map_err(|_| damaged("a name is not UTF-8"))?.into();
        self.array::<1>()?;
        Ok(line)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or_else(ended)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(ended)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn size(value: &Value) -> Result<u64> {
    match value {
        Value::Int(size) => u64::try_from(*size).map_err(|_| damaged(format!("{size} is not a size"))),
        other => Err(damaged(format!("expected a size, found {other:?}"))),
    }
}

fn refused(module: &str, name: &str) -> crate::Error {
    damaged(format!(
        "it calls `{module}.{name}`, which is refused; save the state dict alone: torch.save(model.state_dict(), path)"
    ))
}

fn underflow() -> crate::Error {
    damaged("the pickle takes what it has not made")
}

fn ended() -> crate::Error {
    damaged("it ends within the pickle")
}
